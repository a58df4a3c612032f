"""Recovery: what was stored but not finished in time is sent to its handler again."""

import time
from datetime import UTC, datetime, timedelta

import structlog
from celery import Celery, shared_task
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from celeryconfig import SWEEP_INTERVAL, SWEEP_TASK
from tasks.celery import collaborators
from tasks.pipeline.announcing import announce, mend
from tasks.pipeline.dispatch import listed, plan
from tasks.store import retention, runs, sweeps
from tasks.store.faults import name, told
from tasks.store.sweeps import RECOVERY
from tasks.worker.reliable_task import ReliableTask

_log = structlog.get_logger(__name__)

#: Events per sweep and message.
_LIMIT = 500
#: One sweep in this time is enough. Half of beat's interval, for two sweeps of it reach a worker now closer
#: together and now further apart.
_ENOUGH = timedelta(seconds=SWEEP_INTERVAL / 2)
PRUNING = "prune-events"
_PRUNE_EVERY = timedelta(hours=1)
#: Seconds: other work waits for the queue of recovery.
_PRUNE_FOR = 20.0


@shared_task(name=SWEEP_TASK, bind=True, base=ReliableTask, is_traced=False)
def resend_unfinished(self: ReliableTask) -> None:
    """Send overdue work again, unless another sweep has just begun: those that waited come all at once."""
    engine = collaborators(self).engine
    if _is_due(engine):
        # It waits for nobody's payment.
        announce(self.app, engine)
        resend_overdue(self.app, engine)
        mend(self.app, engine)
        if days := collaborators(self).settings.event_retention_days:
            prune_old(engine, timedelta(days=days))


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
            **listed(work.payment_ids),
            unread=len(work.unread),
            handlers=sorted(work.event_ids),
        )
        work.send(app)


def prune_old(engine: Engine, age: timedelta) -> None:
    """Remove what Coinflow sent of events that are so old, once an hour and for some seconds at most."""
    with engine.begin() as connection:
        if not sweeps.begin(connection, PRUNING, _PRUNE_EVERY):
            return
    began, events, is_all = time.monotonic(), 0, False
    for batch in retention.prune_all(engine, datetime.now(UTC) - age):
        events, is_all = events + batch.events, batch.end is None
        if time.monotonic() > began + _PRUNE_FOR:
            break
    if events:
        _log.info("events.pruned", events=events, is_all=is_all)
