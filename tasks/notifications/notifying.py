"""Notifying's task: a bell, which lets endpoints be told what is due."""

import asyncio
import threading
import time
from collections.abc import Collection

import structlog
from celery import Celery, shared_task

from tasks.celery import Collaborators, collaborators
from tasks.notifications.drainer import Drainer
from tasks.notifications.tellers import Teller, teller
from tasks.notifications.turn import Terms
from tasks.pipeline.bells import NOTIFY_TASK, ring, ring_later
from tasks.pipeline.listeners import addresses
from tasks.worker.reliable_task import ReliableTask
from tasks.worker.shutdown import is_stopping

_log = structlog.get_logger(__name__)

#: Those that drain in this process, by their endpoints.
_draining: dict[str, Drainer] = {}
_changing = threading.Lock()


@shared_task(name=NOTIFY_TASK, bind=True, base=ReliableTask, is_traced=False)
def notify(self: ReliableTask, endpoints: Collection[str]) -> None:
    """Tell endpoints what is due; ring as often as you like."""
    own = collaborators(self)
    if not endpoints:
        return
    first, *others = endpoints
    # Each has a thread of its own, so that a slow one holds up no other.
    for other in others:
        if not _is_rung(other):
            ring(self.app, [other])
    told_by = teller(first, own.settings)
    if told_by is None:
        _log.warning(
            "notifications.unknown",
            endpoint=first,
            next_step="This process was started without it: restart `notify` with its NOTIFY_URL and secret.",
        )
    else:
        _drain(self.app, own, first, told_by)


def _is_rung(endpoint: str) -> bool:
    """Let an endpoint's drainer know, if there is one in this process; tell whether there is."""
    with _changing:
        there = _draining.get(endpoint)
        if there:
            there.ring()
    return there is not None


def _drain(app: Celery, own: Collaborators, endpoint: str, told_by: Teller) -> None:
    settings = own.settings
    terms = Terms(
        concurrency=settings.notify_concurrency,
        give_up_days=settings.notify_give_up_days,
        longest_try_seconds=told_by.limit,
        environment=settings.environment,
        address=addresses(settings)[endpoint],
    )
    drainer = Drainer(endpoint, told_by, own.engine, terms, is_stopping)
    with _changing:
        if there := _draining.get(endpoint):
            there.ring()
            return
        _draining[endpoint] = drainer

    def leave() -> bool:
        with _changing:
            is_there = _draining.get(endpoint) is drainer
            if is_there:
                del _draining[endpoint]
        return is_there

    def hand_over() -> None:
        leave()
        ring(app, [endpoint])

    drainer.hand_over = hand_over
    try:
        asyncio.run(drainer.drain())
    finally:
        was_there = leave()
    if was_there and drainer.is_rung:
        # Just as it ended.
        ring(app, [endpoint])
    elif was_there and drainer.due_at is not None:
        ring_later(app, endpoint, max(0.0, drainer.due_at - time.monotonic()))
