"""What no task could take: the messages in the broker's queue `dead-letters`.

Nothing consumes that queue. Whoever looks takes the messages without acknowledging them and gives them back.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kombu import Connection, Producer, Queue
from kombu.exceptions import ContentDisallowed, DecodeError

from celeryconfig import BROKER_PREFIX, CONFIRM_TIMEOUT, QUEUES, dead_queue, former_dead_queues, task_queues
from tasks.worker.applications import AnotherApplication, is_foreign, is_ours

if TYPE_CHECKING:
    from celery import Celery

#: What a broker adds to a message's headers; without it the message counts as a new one.
_ADDED = (
    "x-death",
    "x-first-death",
    "x-last-death",
    "x-delivery-count",
    "x-acquired-count",
    "redelivered",
)
#: What the broker's reasons are called that tell more than what is in the message.
_BY_REASON = {"expired": "Expired", "maxlen": "QueueFull", "delivery_limit": "CrashLoop"}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
#: By their names, with `BROKER_PREFIX` and without.
_QUEUES = dict(zip(QUEUES, task_queues, strict=True)) | {queue.name: queue for queue in task_queues}


class NotReplayable(Exception):
    """The message is not ours, so there is nowhere to replay it to; it can be discarded."""


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message in the dead queue."""

    message: Any
    #: The names of the tasks that this version has.
    known_tasks: Collection[str]
    #: What this application's messages are marked with.
    marks: Collection[str]

    @property
    def id(self) -> str:
        """A name that stays the same as long as the message lies there; exact copies share it."""
        headers = {name: value for name, value in self._headers.items() if not name.startswith(_ADDED)}
        digest = hashlib.sha256(self._body)
        digest.update(json.dumps([self.queue, headers], sort_keys=True, default=str).encode())
        return f"b{digest.hexdigest()[:10]}"

    @property
    def task(self) -> str | None:
        """The task that it was for, if it says so."""
        task = self._headers.get("task")
        return task if isinstance(task, str) else None

    @property
    def queue(self) -> str:
        """The queue that it came from."""
        return str(self._death.get("queue") or self.message.delivery_info.get("routing_key"))

    @property
    def died_at(self) -> datetime | None:
        """When it came here, where the broker keeps that."""
        at = self._death.get("time")
        if isinstance(at, datetime):
            return at.replace(tzinfo=at.tzinfo or UTC)
        return datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else None

    @property
    def reason(self) -> str | None:
        """Why the broker put it here, in the broker's word, where it keeps that."""
        reason = self._death.get("reason")
        return reason if isinstance(reason, str) else None

    @property
    def error(self) -> str:
        """Why no task took it, in one word: the broker's reason, and where it was rejected, what is wrong."""
        if self.reason in _BY_REASON:
            return _BY_REASON[self.reason]
        if self.is_foreign:
            return AnotherApplication.__name__
        if self._content is None:
            return "Undecodable"
        if self.task is None:
            return "NoTask"
        if self.task not in self.known_tasks:
            return "UnknownTask"
        return "NotTaken"

    @property
    def is_foreign(self) -> bool:
        """Whether another application sent it."""
        return is_foreign(self._headers, self.marks)

    @property
    def is_ours(self) -> bool:
        """Whether it says that this application sent it."""
        return is_ours(self._headers, self.marks)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that a message to intake holds: type, creation, payment; empty if it is another one."""
        try:
            bodies = [json.loads(each["body"]) for each in self._content[0][0]]
            return [
                {
                    "event_type": body["eventType"],
                    "created": body["created"],
                    "payment_id": body["data"].get("id") or body["data"].get("paymentId"),
                }
                for body in bodies
            ]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return []

    @property
    def text(self) -> str:
        """The body as it came."""
        return self._body.decode(errors="replace")

    def check_replayable(self) -> None:
        """Raise NotReplayable unless it is ours and came from a queue of ours."""
        if self.is_foreign:
            raise NotReplayable(f"Message {self.id} is another application's, which alone can replay it.")
        if self.queue not in _QUEUES:
            raise NotReplayable(f"Message {self.id} came from {self.queue!r}, no queue of ours; discard it.")

    def replay(self, producer: Producer) -> None:
        """Publish it to its queue, and take it out of this one once the broker has confirmed that.

        Raises NotReplayable, or whatever keeps the broker from confirming; then it stays here.
        """
        self.check_replayable()
        queue = _QUEUES[self.queue]
        headers = {name: value for name, value in self._headers.items() if not name.startswith(_ADDED)}
        self._move(producer, queue, headers, exchange=queue.exchange, routing_key=queue.routing_key)

    def move(self, producer: Producer, queue: Queue) -> None:
        """Publish it to another queue as it is, and take it out of this one."""
        self._move(producer, queue, dict(self._headers), exchange="", routing_key=queue.name)

    def _move(self, producer: Producer, queue: Queue, headers: dict[str, Any], **address: Any) -> None:
        if not self.message.errors:
            # kombu has already decompressed the body.
            headers.pop("compression", None)
        kept = ("correlation_id", "reply_to", "priority", "message_id", "type")
        producer.publish(
            self._body,
            declare=[queue],
            headers=headers,
            content_type=self.message.content_type or "application/data",
            content_encoding=self.message.content_encoding or "binary",
            retry=False,
            confirm_timeout=CONFIRM_TIMEOUT,
            mandatory=True,
            **address,
            **{name: self.message.properties[name] for name in kept if self.message.properties.get(name)},
        )
        self.message.ack()

    def discard(self) -> None:
        """Take it out of the queue for good."""
        self.message.ack()

    @property
    def _headers(self) -> dict[str, Any]:
        headers: dict[str, Any] = self.message.headers or {}
        return headers

    @property
    def _body(self) -> bytes:
        body = self.message.body
        return body.encode() if isinstance(body, str) else bytes(body)

    @property
    def _death(self) -> dict[str, Any]:
        deaths = self._headers.get("x-death") or [{}]
        death: dict[str, Any] = deaths[0]
        return death

    @property
    def _content(self) -> Any:
        """The decoded body, or None."""
        try:
            return self.message.decode()
        except (ContentDisallowed, DecodeError, ValueError):
            return None


@contextmanager
def dead_messages(app: "Celery") -> Iterator[tuple[list[DeadMessage], Producer]]:
    """Hold everything in the dead queue, and a producer under confirms; what is left is given back.

    While it is held nobody else sees it. Raises whatever keeps the broker from answering.
    """
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=int(CONFIRM_TIMEOUT))
        producer = Producer(connection)
        with _without_prefix(app, connection) as former:
            _bring_home(app, former, producer)
        queue = dead_queue(connection.default_channel)
        queue.declare()
        held = []
        try:
            while message := queue.get(accept=app.conf.accept_content):
                held.append(DeadMessage(message, app.tasks, app.conf.application_marks))
            # The broker's order changes with each look.
            yield sorted(held, key=lambda each: (each.died_at or _LONG_AGO, each.id)), producer
        finally:
            # Over a broken connection the broker takes them back by itself.
            with suppress(*connection.connection_errors, *connection.channel_errors):
                for each in reversed(held):
                    if not each.message.acknowledged:
                        each.message.requeue()


def _bring_home(app: "Celery", connection: Connection, producer: Producer) -> None:
    """Move what of ours lies in another dead queue: an earlier version's, or one without `BROKER_PREFIX`."""
    for former in former_dead_queues:
        # RabbitMQ closes a channel that asks for a queue that is not there.
        with connection.channel() as channel, suppress(*connection.channel_errors):
            queue = former(channel)
            queue.queue_declare(passive=True)
            others = []
            while message := queue.get(accept=app.conf.accept_content):
                dead = DeadMessage(message, app.tasks, app.conf.application_marks)
                if dead.is_ours or not BROKER_PREFIX:
                    dead.move(producer, dead_queue)
                else:
                    others.append(message)
            for message in reversed(others):
                message.requeue()


@contextmanager
def _without_prefix(app: "Celery", connection: Connection) -> Iterator[Connection]:
    """Return a connection that finds what has no prefix; on Redis a connection sees one prefix alone."""
    if not BROKER_PREFIX or connection.transport.driver_type != "redis":
        yield connection
    else:
        with app.connection_for_write(transport_options={"global_keyprefix": ""}) as another:
            yield another
