"""Recovery: what was stored but not finished in time is sent to its handler again."""

from datetime import timedelta

import structlog
from celery import Celery, Task, shared_task
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from celeryconfig import SWEEP_INTERVAL, SWEEP_TASK
from tasks.celery import collaborators
from tasks.pipeline.dispatch import plan
from tasks.store import runs, sweeps
from tasks.store.faults import name, told

_log = structlog.get_logger(__name__)

#: Events per sweep and message.
_LIMIT = 500


#: What sweeps are told apart by.
RECOVERY = "resend-unfinished"
#: One sweep in this time is enough. Half of beat's interval, for two sweeps of it reach a worker now closer
#: together and now further apart.
_ENOUGH = timedelta(seconds=SWEEP_INTERVAL / 2)


@shared_task(name=SWEEP_TASK, bind=True)
def resend_unfinished(self: Task[..., None]) -> None:
    """Send overdue work again, unless another sweep has just begun: those that waited come all at once."""
    engine = collaborators(self).engine
    if _is_due(engine):
        resend_overdue(self.app, engine)


def _is_due(engine: Engine) -> bool:
    try:
        with engine.begin() as connection:
            return sweeps.begin(connection, RECOVERY, _ENOUGH)
    except DBAPIError as error:
        # One too many does no harm. Without its table or the right to write there, all would wait for ever,
        # and others behind them.
        _log.warning("recovery.unnoted", error=name(error), reason=told(error))
        return True


def resend_overdue(app: Celery, engine: Engine) -> None:
    """Send overdue work again. Sweeps that overlap do no harm: each takes the events it resends."""
    while True:
        with engine.begin() as connection:
            overdue = runs.postpone_overdue(connection, _LIMIT)
            work = plan(connection, overdue)
        if not overdue:
            return
        _log.warning(
            "recovery.resent",
            payments=len(work.payment_ids),
            unread=len(work.unread),
            handlers=sorted(work.event_ids),
        )
        work.send(app)
