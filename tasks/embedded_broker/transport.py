"""The embedded broker: a kombu transport over one SQLite file, for a machine without a broker.

Celery loads it by name. `file` keeps the messages; here they take kombu's shape.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import virtual
from kombu.utils.scheduling import FairCycle

from tasks.embedded_broker.consumers import Consumers
from tasks.embedded_broker.file import BrokerFile, QueueLimits, open_file
from tasks.embedded_broker.mandatory import Mandatory
from tasks.embedded_broker.no_ack import NoAck
from tasks.embedded_broker.polling import INTERVAL, PolledChannel, Polling
from tasks.embedded_broker.windows import Windowed, Windows

#: Seconds between two sweeps; until a temporary queue that states no expiry counts as abandoned.
_SWEEP_INTERVAL = 1.0
_DEFAULT_EXPIRES = 60.0


class Channel(Mandatory, Consumers, NoAck, Windowed, PolledChannel, virtual.Channel):
    """Routes, takes and acknowledges messages, and owns what it has taken."""

    QoS = Windows
    qos: Windows
    supports_fanout = True
    # kombu would publish unacknowledged messages anew; here they never left their queue.
    do_restore = False

    def __init__(self, connection: Any, **options: Any) -> None:
        super().__init__(connection, **options)
        self._path = _path(connection.client)
        self._owned: tuple[BrokerFile, int] | None = None
        self._swept_at = 0.0

    @property
    def _file(self) -> BrokerFile:
        return open_file(self._path)

    @property
    def _owner(self) -> int:
        # A fork gets an owner of its own.
        if self._owned is None or self._owned[0] is not self._file:
            self._owned = (self._file, self._file.owners.new())
        return self._owned[1]

    # -------------------------------------------------------------- queues

    def prepare_queue_arguments(self, arguments: dict[str, Any] | None, **limits: Any) -> dict[str, Any]:
        """Return a queue's limits, given in seconds, in milliseconds under the names of RabbitMQ."""
        names = {"expires": "x-expires", "message_ttl": "x-message-ttl"}
        given = {name: limits[limit] * 1000 for limit, name in names.items() if limits.get(limit) is not None}
        return {**(arguments or {}), **given}

    def _new_queue(self, queue: str, **options: Any) -> None:
        arguments = options.get("arguments") or {}
        ttl, expires = arguments.get("x-message-ttl"), arguments.get("x-expires")
        temporary = options.get("auto_delete") or options.get("exclusive")
        limits = QueueLimits(
            message_ttl=None if ttl is None else ttl / 1000,
            expires=(_DEFAULT_EXPIRES if temporary else None) if expires is None else expires / 1000,
            dead_letter_exchange=arguments.get("x-dead-letter-exchange"),
            delivery_limit=arguments.get("x-delivery-limit"),
        )
        self._file.declare(queue, limits)

    def _has_queue(self, queue: str, **_options: Any) -> bool:
        return self._file.exists(queue)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        self._file.bind(exchange, routing_key or "", pattern or "", queue)

    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Remove the binding for every process."""
        super().queue_unbind(queue, exchange, routing_key, arguments, **options)
        self._file.unbind(exchange, routing_key, queue)

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return the bindings that any process has made."""
        return self._file.bindings(exchange)

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **options: Any
    ) -> None:
        """Delete the queue with its messages and bindings."""
        if if_empty and self._size(queue):
            return
        super().queue_delete(queue, if_unused=if_unused, **options)
        self._file.delete(queue)

    def _size(self, queue: str) -> int:
        return self._file.size(queue)

    def _purge(self, queue: str) -> int:
        return self._file.purge(queue)

    # -------------------------------------------------------------- publishing

    def _put(self, queue: str, message: dict[str, Any], **_options: Any) -> None:
        self._put_all([queue], message)

    def _put_fanout(self, exchange: str, message: dict[str, Any], _routing_key: str, **_options: Any) -> None:
        self._put_all([queue for _, _, queue in self.get_table(exchange)], message)

    def _put_all(self, queues: list[str], message: dict[str, Any]) -> None:
        # 2 is AMQP's number for a persistent message.
        durable = message["properties"].get("delivery_mode") == 2  # noqa: PLR2004
        self._file.put(queues, json.dumps(message), durable=durable)

    # -------------------------------------------------------------- consuming

    def forget(self, tag: str) -> None:
        """Delete a message, if it is still this channel's."""
        self._file.acknowledge(tag, self._owner)

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> Any:
        """Deliver a message. Raises Empty if there is none."""
        if self._consumers and time.monotonic() - self._swept_at > _SWEEP_INTERVAL:
            self._swept_at = time.monotonic()
            self._file.sweep(self._active_queues)
        return super().drain_events(timeout, callback)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ARG002  # kombu's signature
        is_kept = queue not in self._no_ack_queues
        taken = self._file.take(queue, self._owner if is_kept else None)
        if taken is None:
            raise Empty
        tag = str(taken.id)
        ((exchange, limit),) = (is_kept and self._file.read(_LIMITS, queue)) or [(None, None)]
        message = self._read(tag, taken.payload, queue, exchange)
        if limit is not None and taken.deliveries > limit + 1:
            self._bury(tag, message, exchange, "delivery_limit")
            raise Empty
        message["properties"]["delivery_tag"] = tag
        message["properties"]["delivery_info"]["redelivered"] = taken.deliveries > 1
        message["headers"]["x-delivery-count"] = taken.deliveries - 1
        return message

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Delete the message, if it is still this channel's."""
        if not self.closed:
            with self._told():
                self.forget(delivery_tag)
            super().basic_ack(delivery_tag, multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give the message back to its queue, or to its dead-letter exchange."""
        if self.closed:
            # It was given back then.
            return
        with self._told():
            if requeue:
                self._file.give_back(self._owner, delivery_tag)
            else:
                for payload, queue, exchange in self._file.read(_LETTER, delivery_tag):
                    message = self._read(delivery_tag, payload, queue, exchange)
                    self._bury(delivery_tag, message, exchange, "rejected")
        self.qos.ack(delivery_tag)
        self.look_soon()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Let the worker connect anew where an answer fails, which kombu only writes down.

        The message would stay this channel's, and its place in the window taken.
        """
        try:
            yield
        except sqlite3.OperationalError as error:
            self.connection.lost = error
            raise

    def _read(self, tag: str, payload: str, queue: str, exchange: str | None) -> dict[str, Any]:
        """Return a message; one that was overwritten is buried as it is, and the file condemned."""
        try:
            message: dict[str, Any] = json.loads(payload)
        except ValueError as error:
            message = {
                "body": payload,
                "headers": {},
                "content-type": "application/data",
                "content-encoding": "binary",
                "properties": {"delivery_info": {"exchange": "", "routing_key": queue}},
            }
            self._bury(tag, message, exchange, "damaged")
            self._file.condemn(f"message {tag} was overwritten, at its character {getattr(error, 'pos', 0)}")
        return message

    def _bury(self, tag: str, message: dict[str, Any], exchange: str | None, reason: str) -> None:
        """Move a message to the queues behind its dead-letter exchange; without one it is gone."""
        key = message["properties"]["delivery_info"]["routing_key"]
        name = exchange or ""
        queues = self.typeof(name, "topic").lookup(self._file.bindings(name), name, key, "")
        # Under RabbitMQ's name and reasons.
        message["headers"]["x-death"] = [{"queue": key, "reason": reason, "time": time.time()}]
        self._file.move(tag, self._owner, queues, json.dumps(message))

    def basic_recover(self, requeue: bool = False) -> None:  # noqa: ARG002  # kombu's signature
        """Give back everything that was delivered and not acknowledged."""
        self._file.give_back(self._owner)

    def close(self) -> None:
        """Give back what was not acknowledged, and close."""
        owned = self._owned
        try:
            super().close()
        finally:
            self._owned = None
            if owned and owned[0] is self._file:
                owned[0].retire(owned[1])


def _path(client: Any) -> Path:
    return Path(client.transport_options["path"]).absolute()


_LIMITS = "SELECT dead_letter_exchange, delivery_limit FROM queues WHERE name = ?"
_LETTER = "SELECT payload, queue, dead_letter_exchange FROM messages JOIN queues ON name = queue WHERE id = ?"


class Transport(Polling, virtual.Transport):
    """Connects to the file that the option `path` names; an address says nothing."""

    Channel = Channel
    can_parse_url = True
    driver_type = "sqlite"
    driver_name = "embedded"
    polling_interval = INTERVAL
    # A look at the file's version takes a hundredth of that.
    busy_interval = 0.004
    connection_errors = (*virtual.Transport.connection_errors, sqlite3.OperationalError)
    # Without an event loop Celery gives its child processes one pipe with one lock, and a child that is
    # killed while it holds the lock stops all the others for good.
    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset(["direct", "topic", "fanout"])
    )

    cycle: FairCycle
    #: Why the connection is of no more use, or None.
    lost: sqlite3.OperationalError | None = None
    _seen_version = 0
    _looked_at = 0.0

    def establish_connection(self) -> Any:
        """Connect, unless the file cannot be used: the worker waits longer and longer between two tries."""
        open_file(_path(self.client)).check()
        return super().establish_connection()

    def may_have_come(self) -> bool:
        """Tell whether another process has written; at times, whether this one has."""
        if self.lost is not None:
            raise self.lost
        version, now = open_file(_path(self.client)).version(), time.monotonic()
        if version == self._seen_version and now < self._looked_at + INTERVAL:
            return False
        self._seen_version, self._looked_at = version, now
        return True

    def deliver_waiting(self) -> bool:
        """Deliver what waits, as far as the consumers may take it; tell whether there was anything."""
        has_come = False
        with suppress(Empty):
            while True:
                self.cycle.get(self._deliver)
                has_come = True
        return has_come

    def as_uri(self, uri: str, _include_password: bool = False, _mask: str = "**") -> str:
        """Return what a worker shows of its broker."""
        return uri

    def driver_version(self) -> str:
        """Return SQLite's version."""
        return sqlite3.sqlite_version
