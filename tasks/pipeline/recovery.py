"""Recovery: what was stored but not finished in time is sent to its handler again."""

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Select, bindparam, literal, select, update

from tasks.celery import app, engine
from tasks.pipeline.dispatch import Work, unfinished
from tasks.store.runs import DEADLINE
from tasks.store.schema import RunState, handler_runs

_log = structlog.get_logger(__name__)

#: Each time that a run is sent again the wait doubles up to this, so that a long backlog is not multiplied.
_LONGEST_WAIT = timedelta(hours=1)
#: Events per sweep and message.
_LIMIT = 500


@app.task(name="tasks.recovery.resend_unfinished")
def resend_unfinished() -> None:
    """Send overdue work again. Sweeps that overlap do no harm: each takes the events it resends."""
    while work := _take_overdue():
        _log.warning(
            "recovery.resent",
            payments=len(work.payment_ids),
            unread=len(work.unread),
            handlers=sorted(work.event_ids),
        )
        work.send()


def overdue(now: datetime) -> Select[tuple[int, str, datetime, datetime]]:
    """Return the query for runs that are due, the longest first.

    The state is a literal, because neither database uses a partial index for a parameter.
    """
    pending = literal(RunState.PENDING.value, literal_execute=True)
    return (
        select(handler_runs.c.event_id, handler_runs.c.handler, handler_runs.c.sent_at, handler_runs.c.due_at)
        .where(handler_runs.c.state == pending, handler_runs.c.due_at < now)
        .order_by(handler_runs.c.due_at)
        .limit(_LIMIT)
        .with_for_update(skip_locked=True)
    )


def _take_overdue() -> Work | None:
    now = datetime.now(UTC)
    with engine().begin() as connection:
        runs = connection.execute(overdue(now)).all()
        if not runs:
            return None
        connection.execute(
            update(handler_runs)
            .where(
                handler_runs.c.event_id == bindparam("run_event"),
                handler_runs.c.handler == bindparam("run_handler"),
            )
            .values(sent_at=now, due_at=bindparam("due")),
            [
                {
                    "run_event": run.event_id,
                    "run_handler": run.handler,
                    "due": now + min(max(2 * (run.due_at - run.sent_at), DEADLINE), _LONGEST_WAIT),
                }
                for run in runs
            ],
        )
        return unfinished(connection, [run.event_id for run in runs])
