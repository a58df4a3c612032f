"""Recovery: what was stored but not finished in time is sent to its handler again."""

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import select, tuple_, update

from tasks.celery import app, engine
from tasks.fulfilment import fulfil_payments
from tasks.schema import RunState, events, handler_runs

_log = structlog.get_logger(__name__)

#: How long a handler may take before its event is sent again; longer than any wait between two tries.
DEADLINE = timedelta(seconds=120)
#: Events per sweep and message.
_LIMIT = 500


@app.task(name="tasks.recovery.resend_unfinished")
def resend_unfinished() -> None:
    """Send overdue events again. Sweeps that overlap do no harm: each takes the events it resends."""
    while overdue := _take_overdue():
        _log.warning("recovery.resent", payments=len(overdue))
        fulfil_payments.delay(sorted(overdue))


def _take_overdue() -> set[str]:
    now = datetime.now(UTC)
    run = tuple_(handler_runs.c.event_id, handler_runs.c.handler)
    overdue = (
        select(handler_runs.c.event_id, handler_runs.c.handler)
        .where(handler_runs.c.state == RunState.PENDING, handler_runs.c.sent_at < now - DEADLINE)
        .order_by(handler_runs.c.sent_at)
        .limit(_LIMIT)
        .with_for_update(skip_locked=True)
    )
    with engine().begin() as connection:
        runs = connection.execute(overdue).all()
        if not runs:
            return set()
        taken = run.in_([tuple(each) for each in runs])
        connection.execute(update(handler_runs).where(taken).values(sent_at=now))
        query = select(events.c.payment_id).where(events.c.id.in_([each.event_id for each in runs]))
        return set(connection.execute(query).scalars())
