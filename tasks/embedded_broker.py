"""The embedded broker: a kombu transport over one SQLite file, for a machine without a broker.

A message belongs to its queue until it is acknowledged. Taking it marks it with its owner, acknowledging
deletes it, and an owner that has died is unmarked by whoever notices. Celery loads the transport by name.
"""

import fcntl
import json
import math
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from celery.worker import state
from kombu.transport import virtual

_SCHEMA = """
CREATE TABLE IF NOT EXISTS queues (
    name TEXT PRIMARY KEY, message_ttl REAL, expires REAL, dead_letter_exchange TEXT,
    delivery_limit INTEGER, used_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS bindings (
    exchange TEXT, routing_key TEXT, pattern TEXT, queue TEXT,
    PRIMARY KEY (exchange, routing_key, pattern, queue)
) WITHOUT ROWID;
-- AUTOINCREMENT, because an id is a delivery tag: it must never name another message later.
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, payload TEXT NOT NULL,
    deliveries INTEGER NOT NULL DEFAULT 0, owner INTEGER, expires_at REAL
);
CREATE INDEX IF NOT EXISTS messages_ready ON messages (queue, id) WHERE owner IS NULL;
CREATE INDEX IF NOT EXISTS messages_owned ON messages (owner) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_expiring ON messages (expires_at) WHERE expires_at IS NOT NULL;
"""
_NEXT = "SELECT id FROM messages WHERE queue = ? AND owner IS NULL ORDER BY id LIMIT 1"
_TAKE = f"""
UPDATE messages SET owner = ?, deliveries = deliveries + 1 WHERE id = ({_NEXT})
RETURNING id, payload, deliveries
"""  # noqa: S608  # composed of constants
#: A queue whose consumer died takes no more messages: nobody would read them.
_PUT = """
INSERT INTO messages (queue, payload, expires_at)
SELECT :queue, :payload, :now + (SELECT message_ttl FROM queues WHERE name = :queue)
WHERE NOT EXISTS (SELECT 1 FROM queues WHERE name = :queue AND used_at + expires < :now)
"""
#: Seconds: between two sweeps; until a temporary queue that states no expiry counts as abandoned; until an
#: abandoned queue is forgotten (a consumer that was only asleep finds it again before).
_SWEEP_INTERVAL = 1.0
_DEFAULT_EXPIRES = 60.0
_FORGET_AFTER = 86_400.0


class BrokerFile:
    """A process's access to the broker's file, under an owner's number that dies with the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.process = os.getpid()
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, timeout=3, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.executescript(_SCHEMA)
        # The kernel drops a record lock with the process that holds it, SIGKILL or not, and a fork does not
        # inherit it: orphaned children keep no owner alive. Each owner locks one byte far beyond the file's
        # end. The descriptor stays open for good, for closing any descriptor of a file drops its locks.
        self._owners = os.open(f"{path}.owners", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.owner = random.SystemRandom().randrange(1, 2**62)
        fcntl.lockf(self._owners, fcntl.LOCK_EX, 1, self.owner)

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Write in one transaction; a durable one is on the disk when it ends.

        What is not durable may be lost with the machine's power, never with a process: then a message that
        was taken or acknowledged is there again.
        """
        with self._lock:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def read(self, query: str, *values: object) -> list[Any]:
        """Return a query's rows."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def sweep(self, active_queues: list[str]) -> None:
        """Give back what dead owners held, drop what expired, and keep this consumer's queues alive."""
        now = time.time()
        dead = [owner for (owner,) in self.read("SELECT DISTINCT owner FROM messages WHERE owner > 0")]
        dead = [owner for owner in dead if owner != self.owner and self._has_died(owner)]
        with self.transaction() as transaction:
            transaction.executemany(
                "UPDATE messages SET owner = NULL WHERE owner = ?", [(each,) for each in dead]
            )
            transaction.executemany(
                "UPDATE queues SET used_at = ? WHERE name = ? AND expires IS NOT NULL",
                [(now, queue) for queue in active_queues],
            )
            transaction.execute("DELETE FROM messages WHERE expires_at < ?", (now,))
            abandoned = "SELECT name FROM queues WHERE used_at + expires < ?"
            transaction.execute(f"DELETE FROM messages WHERE queue IN ({abandoned})", (now,))  # noqa: S608
            forgotten = (now - _FORGET_AFTER,)
            transaction.execute(f"DELETE FROM bindings WHERE queue IN ({abandoned})", forgotten)  # noqa: S608
            transaction.execute("DELETE FROM queues WHERE used_at + expires < ?", forgotten)

    def _has_died(self, owner: int) -> bool:
        try:
            fcntl.lockf(self._owners, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, owner)
        except OSError:
            return False
        fcntl.lockf(self._owners, fcntl.LOCK_UN, 1, owner)
        return True


_files: dict[Path, BrokerFile] = {}
_inherited: list[BrokerFile] = []
_opening = threading.Lock()


def _open(path: Path) -> BrokerFile:
    """Return this process's access to a file; one per process, because record locks are the process's."""
    with _opening:
        file = _files.get(path)
        if file is None or file.process != os.getpid():
            if file is not None:
                # A fork must neither use nor close its parent's connection.
                _inherited.append(file)
            file = _files[path] = BrokerFile(path)
        return file


class Channel(virtual.Channel):
    """Routes, takes and acknowledges messages in the broker's file."""

    supports_fanout = True
    # kombu would publish unacknowledged messages anew; here they never left their queue.
    do_restore = False

    def __init__(self, connection: Any, **options: Any) -> None:
        super().__init__(connection, **options)
        self._no_ack_queues: set[str] = set()
        #: Delivery tags of what this channel has delivered and nobody has acknowledged.
        self._unacknowledged: set[str] = set()
        self._path = Path(connection.client.transport_options["path"]).absolute()
        self._file.sweep([])
        self._swept_at = time.monotonic()

    @property
    def _file(self) -> BrokerFile:
        return _open(self._path)

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
        with self._file.transaction() as transaction:
            transaction.execute(
                "INSERT OR REPLACE INTO queues VALUES (?, ?, ?, ?, ?, ?)",
                (
                    queue,
                    None if ttl is None else ttl / 1000,
                    (_DEFAULT_EXPIRES if temporary else None) if expires is None else expires / 1000,
                    arguments.get("x-dead-letter-exchange"),
                    arguments.get("x-delivery-limit"),
                    time.time(),
                ),
            )

    def _has_queue(self, queue: str, **_options: Any) -> bool:
        return bool(self._file.read("SELECT 1 FROM queues WHERE name = ?", queue))

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        with self._file.transaction() as transaction:
            transaction.execute(
                "INSERT OR IGNORE INTO bindings VALUES (?, ?, ?, ?)",
                (exchange, routing_key or "", pattern or "", queue),
            )

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
        with self._file.transaction() as transaction:
            transaction.execute(
                "DELETE FROM bindings WHERE queue = ? AND exchange = ? AND routing_key = ?",
                (queue, exchange, routing_key),
            )

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return the bindings that any process has made."""
        return self._file.read(
            "SELECT routing_key, pattern, queue FROM bindings WHERE exchange = ?", exchange
        )

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **options: Any
    ) -> None:
        """Delete the queue with its messages and bindings."""
        if if_empty and self._size(queue):
            return
        super().queue_delete(queue, if_unused=if_unused, **options)
        with self._file.transaction() as transaction:
            for statement in (
                "DELETE FROM messages WHERE queue = ?",
                "DELETE FROM bindings WHERE queue = ?",
                "DELETE FROM queues WHERE name = ?",
            ):
                transaction.execute(statement, (queue,))

    def _size(self, queue: str) -> int:
        ((count,),) = self._file.read(
            "SELECT count(*) FROM messages WHERE queue = ? AND owner IS NULL", queue
        )
        return int(count)

    def _purge(self, queue: str) -> int:
        with self._file.transaction() as transaction:
            return transaction.execute(
                "DELETE FROM messages WHERE queue = ? AND owner IS NULL", (queue,)
            ).rowcount

    # -------------------------------------------------------------- publishing

    def _put(self, queue: str, message: dict[str, Any], **_options: Any) -> None:
        self._put_all([queue], message)

    def _put_fanout(self, exchange: str, message: dict[str, Any], _routing_key: str, **_options: Any) -> None:
        self._put_all([queue for _, _, queue in self.get_table(exchange)], message)

    def _put_all(self, queues: list[str], message: dict[str, Any]) -> None:
        payload, now = json.dumps(message), time.time()
        # 2 is AMQP's number for a persistent message.
        durable = message["properties"].get("delivery_mode") == 2  # noqa: PLR2004
        with self._file.transaction(durable=durable) as transaction:
            transaction.executemany(
                _PUT, [{"queue": queue, "payload": payload, "now": now} for queue in queues]
            )

    # -------------------------------------------------------------- consuming

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,
        callback: Callable[..., Any] | None,
        consumer_tag: str | None,
        **options: Any,
    ) -> str:
        """Consume from the queue; what needs no acknowledgement is gone once it is taken."""
        if no_ack:
            self._no_ack_queues.add(queue)
        return super().basic_consume(queue, no_ack, callback, consumer_tag, **options)

    def basic_get(self, queue: str, no_ack: bool = False, **options: Any) -> virtual.Message | None:
        """Take a message from the queue, if there is one."""
        message = super().basic_get(queue, no_ack, **options)
        if message is not None and no_ack:
            self.basic_ack(str(message.delivery_tag))
        return message

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> Any:
        """Deliver a message. Raises Empty if there is none."""
        if time.monotonic() - self._swept_at > _SWEEP_INTERVAL:
            self._swept_at = time.monotonic()
            self._file.sweep(self._active_queues)
        return super().drain_events(timeout, callback)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ARG002  # kombu's signature
        # An empty poll, the usual one, only reads.
        if not self._file.read(_NEXT, queue):
            raise Empty
        with self._file.transaction() as transaction:
            row = transaction.execute(_TAKE, (self._file.owner, queue)).fetchone()
            if row and queue in self._no_ack_queues:
                transaction.execute("DELETE FROM messages WHERE id = ?", (row[0],))
        if not row:
            raise Empty
        tag, payload, deliveries = row
        message: dict[str, Any] = json.loads(payload)
        if queue not in self._no_ack_queues:
            self._unacknowledged.add(str(tag))
        if deliveries - 1 > (self._delivery_limit(queue) or deliveries):
            self._bury(str(tag))
            raise Empty
        message["properties"]["delivery_tag"] = str(tag)
        message["properties"]["delivery_info"]["redelivered"] = deliveries > 1
        message["headers"]["x-delivery-count"] = deliveries - 1
        return message

    def _delivery_limit(self, queue: str) -> int | None:
        rows = self._file.read("SELECT delivery_limit FROM queues WHERE name = ?", queue)
        return rows[0][0] if rows else None

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Delete the message, which is still this process's."""
        with self._file.transaction() as transaction:
            transaction.execute(
                "DELETE FROM messages WHERE id = ? AND owner = ?", (delivery_tag, self._file.owner)
            )
        self._unacknowledged.discard(delivery_tag)
        super().basic_ack(delivery_tag, multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give the message back to its queue, or to its dead-letter exchange."""
        if requeue:
            self._give_back([delivery_tag])
        else:
            self._bury(delivery_tag)
        self.qos.ack(delivery_tag)

    def _give_back(self, tags: Collection[str]) -> None:
        with self._file.transaction() as transaction:
            transaction.executemany(
                "UPDATE messages SET owner = NULL WHERE id = ? AND owner = ?",
                [(tag, self._file.owner) for tag in tags],
            )
        self._unacknowledged.difference_update(list(tags))

    def _bury(self, tag: str) -> None:
        """Move a message to the queues behind its dead-letter exchange; without one it is gone."""
        found = self._file.read(
            "SELECT payload, dead_letter_exchange FROM messages JOIN queues ON name = queue WHERE id = ?", tag
        )
        targets: Iterable[str] = ()
        for payload, exchange in found:
            message = json.loads(payload)
            key = message["properties"]["delivery_info"]["routing_key"]
            targets = self.typeof(exchange, "topic").lookup(self.get_table(exchange), exchange, key, None)
        with self._file.transaction(durable=True) as transaction:
            transaction.executemany(
                "INSERT INTO messages (queue, payload) SELECT ?, payload FROM messages WHERE id = ?",
                [(target, tag) for target in targets],
            )
            transaction.execute("DELETE FROM messages WHERE id = ?", (tag,))
        self._unacknowledged.discard(tag)

    def basic_recover(self, requeue: bool = False) -> None:  # noqa: ARG002  # kombu's signature
        """Give back everything that was delivered and not acknowledged."""
        self._give_back(self._unacknowledged)

    def close(self) -> None:
        """Give back what was not acknowledged, and close."""
        if not self.closed:
            self._give_back(self._unacknowledged)
        super().close()


class Transport(virtual.Transport):
    """The transport of `embedded://`; the option `path` names its file."""

    Channel = Channel
    driver_type = "sqlite"
    driver_name = "embedded"
    #: Seconds between two looks for a message.
    polling_interval = 0.05
    connection_errors = (*virtual.Transport.connection_errors, sqlite3.OperationalError)
    implements = virtual.Transport.implements.extend(exchange_type=frozenset(["direct", "topic", "fanout"]))

    def drain_events(self, connection: Any, timeout: float | None = None, **_options: Any) -> None:
        """Deliver a message. Raises TimeoutError when none comes in `timeout` seconds.

        A worker without an event loop looks only between two calls whether it was asked to stop, and makes
        one call more before it does; so a call ends early then.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            try:
                super().drain_events(connection, timeout=self.polling_interval)
            except TimeoutError:
                stopping = {state.should_stop, state.should_terminate} - {None, False}
                if stopping or time.monotonic() >= deadline:
                    raise
            else:
                return

    def driver_version(self) -> str:
        """Return SQLite's version."""
        return sqlite3.sqlite_version
