"""Merging: messages of a task that wait for a free process are run together, as one.

A message costs its worker and the database as much as a dozen of the events in it. So a worker takes more of
them than it has processes, and whichever process is free next takes several. Each stays a message of its own:
all are acknowledged after the run, or all are delivered again, and then each is run alone.
"""

import copy
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import structlog
from celery.bootsteps import RUN  # type: ignore[attr-defined]  # unknown to the stubs

from tasks.worker import holding
from tasks.worker.reliable_task import HELD_SINCE, TRIES

_log = structlog.get_logger(__name__)

#: Messages in a run at most, and bytes of their bodies: what is delivered again when its process dies.
MOST = 8
MOST_BYTES = 1_000_000
#: Messages that a worker takes for each of its processes: those that run, and those that wait for them.
_WINDOW = 2 * MOST
#: Headers of what has been tried before, or has a time of its own.
_OF_ANOTHER_TIME = ("retries", "eta", "expires", TRIES, HELD_SINCE)


class _Delivered(NamedTuple):
    message: Any
    ack: Callable[..., Any]
    reject: Callable[..., Any]


class Merger:
    """Takes each message of a task on a list of items; it counts what runs of them in a consumer's life."""

    def __init__(self, take: Callable[..., Any], task: Any, consumer: Any) -> None:
        self._take = take
        self._task = task
        self._consumer = consumer
        self._connection = consumer.connection
        self._running = 0
        self._waiting: deque[_Delivered] = deque()
        self._callbacks: Any = None

    def __call__(self, message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> None:
        """Run the message, unless all processes have work and it can be run with others."""
        delivered = _Delivered(message, ack, reject)
        self._callbacks = callbacks
        if self._is_busy and body is None and _is_plain(message):
            self._waiting.append(delivered)
        else:
            self._run([delivered], body)

    @property
    def _is_busy(self) -> bool:
        return self._running >= int(self._consumer.pool.num_processes)

    def _run(self, together: Sequence[_Delivered], body: Any = None) -> None:
        self._running += 1
        began = time.monotonic()
        others = [each.message.headers for each in together[1:]]
        for each in others:
            self._tell("task-received", each, args=each.get("argsrepr"), kwargs="{}", retries=0)

        def ack(logger: Any, errors: Any) -> None:
            for each in together:
                each.ack(logger, errors)
            for each in others:
                self._tell("task-succeeded", each, result="None", runtime=time.monotonic() - began)
            self._end()

        def reject(logger: Any, errors: Any, requeue: bool) -> None:  # noqa: FBT001  # kombu's signature
            for each in together:
                # What one of them is to blame for stays its own.
                each.reject(logger, errors, requeue or bool(others))
            for each in others:
                self._tell("task-rejected", each, requeue=True)
            self._end()

        message = together[0].message
        if others:
            _log.info(
                "messages.merged", task_id=message.headers["id"], others=[each["id"] for each in others]
            )
            message = _merged([each.message for each in together])
        try:
            self._take(message, body, ack, reject, self._callbacks)
        except Exception:
            # It is no task's: whoever refuses it acknowledges nothing here.
            self._end()
            raise

    def _end(self) -> None:
        self._running -= 1
        # By the worker's loop, when the run's own end is noted.
        self._consumer.call_soon(self._take_waiting)

    def _take_waiting(self) -> None:
        # Of a connection that was lost, and of a worker that stops, the broker delivers everything anew.
        if self._consumer.connection is not self._connection or self._consumer.blueprint.state != RUN:
            return
        while self._waiting and not self._is_busy:
            together = [self._waiting.popleft()]
            size = len(together[0].message.body)
            while self._waiting and len(together) < MOST:
                size += len(self._waiting[0].message.body)
                if size > MOST_BYTES:
                    break
                together.append(self._waiting.popleft())
            self._run(together)

    def _tell(self, event: str, headers: Any, **fields: Any) -> None:
        """Tell monitors of a message that is run with another one, which Celery tells of."""
        monitors = self._consumer.event_dispatcher
        if monitors and monitors.enabled:
            monitors.send(event, uuid=headers["id"], name=self._task.name, **fields)


def strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return what takes each message of a task."""
    return Merger(holding.strategy(task, app, consumer, **options), task, consumer)


def widen(consumer: Any, queue_name: str) -> None:
    """Let a worker take messages of a queue that wait for its processes, where brokers know such windows."""
    broker, channel = consumer.connection.transport.driver_type, consumer.task_consumer.channel
    window = consumer.initial_prefetch_count * _WINDOW
    if broker == "sqlite":
        channel.qos.of_queues[queue_name] = window
    if broker != "amqp":
        return
    for queue in consumer.task_consumer.queues:
        if queue.name == queue_name:
            channel.basic_qos(0, window, False)  # noqa: FBT003  # AMQP's order
            # kombu has no way to give one queue a window of its own.
            consumer.task_consumer._basic_consume(queue)  # noqa: SLF001  # as above
            channel.basic_qos(0, consumer.initial_prefetch_count, False)  # noqa: FBT003  # AMQP's order


def _is_plain(message: Any) -> bool:
    """Tell whether a message comes for the first time, at once, and is a list of items and nothing else."""
    headers = message.headers
    if message.delivery_info.get("redelivered") or any(headers.get(name) for name in _OF_ANOTHER_TIME):
        return False
    arguments, options, _ = message.payload
    return len(arguments) == 1 and isinstance(arguments[0], list) and not options


def _merged(messages: Sequence[Any]) -> Any:
    """Return a message of all items, under the first one's name."""
    items = [item for each in messages for item in each.payload[0][0]]
    merged = copy.copy(messages[0])
    shown = f"<{len(items)} items of {len(messages)} messages>"
    merged.headers = {**merged.headers, "argsrepr": shown}
    merged.body = json.dumps([[items], *messages[0].payload[1:]])
    merged._decoded_cache = None  # noqa: SLF001  # what kombu keeps of the body
    return merged
