"""Recovery: what was stored but not finished in time is sent to its handler again."""

import structlog
from celery import Task, shared_task

from tasks.celery import collaborators
from tasks.pipeline.dispatch import plan
from tasks.store import runs

_log = structlog.get_logger(__name__)

#: Events per sweep and message.
_LIMIT = 500


@shared_task(name="tasks.recovery.resend_unfinished", bind=True)
def resend_unfinished(self: Task[..., None]) -> None:
    """Send overdue work again. Sweeps that overlap do no harm: each takes the events it resends."""
    while True:
        with collaborators(self).engine.begin() as connection:
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
        work.send(self.app)
