"""Recovery: what was stored but not finished in time is sent to its handler again."""

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import select, tuple_, update

from tasks.celery import app, engine
from tasks.dispatch import Work, unfinished
from tasks.schema import RunState, handler_runs

_log = structlog.get_logger(__name__)

#: How long a handler may take before its event is sent again; longer than any wait between two tries.
DEADLINE = timedelta(seconds=180)
#: Events per sweep and message.
_LIMIT = 500


@app.task(name="tasks.recovery.resend_unfinished")
def resend_unfinished() -> None:
    """Send overdue work again. Sweeps that overlap do no harm: each takes the events it resends."""
    while work := _take_overdue():
        _log.warning("recovery.resent", payments=len(work.payment_ids), handlers=sorted(work.event_ids))
        work.send()


def _take_overdue() -> Work | None:
    now = datetime.now(UTC)
    overdue = (
        select(handler_runs.c.event_id, handler_runs.c.handler)
        .where(handler_runs.c.state == RunState.PENDING, handler_runs.c.sent_at < now - DEADLINE)
        .order_by(handler_runs.c.sent_at)
        .limit(_LIMIT)
        .with_for_update(skip_locked=True)
    )
    with engine().begin() as connection:
        runs = [tuple(run) for run in connection.execute(overdue)]
        if not runs:
            return None
        taken = tuple_(handler_runs.c.event_id, handler_runs.c.handler).in_(runs)
        connection.execute(update(handler_runs).where(taken).values(sent_at=now))
        return unfinished(connection, [event_id for event_id, _ in runs])
