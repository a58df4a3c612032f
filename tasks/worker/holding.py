"""Holding: what waits for the database stays with its worker, unacknowledged, and is run again there.

A retry that is published anew would need the broker to confirm it, would travel through RabbitMQ's delay
queues, which an operator's policy may bound, and would let the next message fail in its stead. What is held
fills the worker's window instead, so the worker consumes no more, and the rest waits in its queue, in order.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from celery.bootsteps import RUN  # type: ignore[attr-defined]  # unknown to the stubs
from celery.worker.strategy import default

from tasks.worker.reliable_task import HELD_SINCE, TRIES, Wait

# A task is told of in one line, when it has ended.
logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)


def strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return what takes each message of a task; Celery's, but for what is held."""
    take = default(task, app, consumer, **options)

    def take_and_hold(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **more: Any) -> Any:
        connection = consumer.connection

        def again() -> None:
            # Of a connection that was lost the broker delivers everything anew.
            if consumer.connection is connection and consumer.blueprint.state == RUN:
                take_and_hold(message, body, ack, reject, callbacks, **more)

        def reject_or_hold(logger: Any, errors: Any, requeue: Wait | bool) -> None:  # noqa: FBT001  # kombu's signature
            if not isinstance(requeue, Wait):
                reject(logger, errors, requeue)
                return
            message.headers.setdefault(HELD_SINCE, time.time())
            message.headers[TRIES] = requeue.tries
            # By the worker's loop, whichever thread the task has run in.
            consumer.call_soon(consumer.timer.call_after, requeue.seconds, again)

        return take(message, body, ack, reject_or_hold, callbacks, **more)

    return take_and_hold
