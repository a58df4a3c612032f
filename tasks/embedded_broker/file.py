"""The embedded broker's file: queues, bindings and messages in SQLite, shared by every process.

A message belongs to its queue until it is acknowledged. Taking it marks it with its owner, acknowledging
deletes it, and an owner that has died is unmarked by whoever notices.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasks.embedded_broker.owners import Owners
from tasks.embedded_broker.shared_file import SharedFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS queues (
    name TEXT PRIMARY KEY, message_ttl REAL, expires REAL, dead_letter_exchange TEXT,
    delivery_limit INTEGER, used_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS bindings (
    exchange TEXT, routing_key TEXT, pattern TEXT, queue TEXT,
    PRIMARY KEY (exchange, routing_key, pattern, queue)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS readers (
    queue TEXT, owner INTEGER, PRIMARY KEY (queue, owner)
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
_REMOVE = f"DELETE FROM messages WHERE id = ({_NEXT}) RETURNING id, payload, deliveries + 1"  # noqa: S608  # as above
_OWNERS = "SELECT owner FROM messages WHERE owner > 0 UNION SELECT owner FROM readers"
#: A queue whose consumer died takes no more messages: nobody would read them.
_PUT = """
INSERT INTO messages (queue, payload, expires_at)
SELECT :queue, :payload, :now + (SELECT message_ttl FROM queues WHERE name = :queue)
WHERE NOT EXISTS (SELECT 1 FROM queues WHERE name = :queue AND used_at + expires < :now)
"""
#: Seconds until an abandoned queue is forgotten; a consumer that was only asleep finds it again before.
_FORGET_AFTER = 86_400.0


class QueueLimits(NamedTuple):
    """A queue's arguments: times in seconds, None for no limit."""

    message_ttl: float | None
    expires: float | None
    dead_letter_exchange: str | None
    delivery_limit: int | None


class Taken(NamedTuple):
    """A message in its owner's hands; `deliveries` counts this one."""

    id: int
    payload: str
    deliveries: int


class BrokerFile(SharedFile):
    """A process's access to the file. Its methods raise sqlite3.OperationalError."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA)
        self.process = os.getpid()
        self.owners = Owners(path.with_name(f"{path.name}.owners"))

    def retire(self, owner: int) -> None:
        """Let an owner die; what it holds is given back now, or by a sweep if the file cannot be written."""
        self.owners.retire(owner)
        with suppress(sqlite3.OperationalError):
            self.give_back(owner)
            self.end_reading(None, owner)

    def sweep(self, active_queues: Iterable[str]) -> None:
        """Give back what dead owners held, drop what expired, and keep this consumer's queues alive."""
        now = time.time()
        owners = [owner for (owner,) in self.read(_OWNERS)]
        dead = [(owner,) for owner in owners if self.owners.has_died(owner)]
        abandoned = "SELECT name FROM queues WHERE used_at + expires < ?"
        forgotten = (now - _FORGET_AFTER,)
        with self.transaction() as transaction:
            transaction.executemany("UPDATE messages SET owner = NULL WHERE owner = ?", dead)
            transaction.executemany("DELETE FROM readers WHERE owner = ?", dead)
            transaction.executemany(
                "UPDATE queues SET used_at = ? WHERE name = ? AND expires IS NOT NULL",
                [(now, queue) for queue in active_queues],
            )
            transaction.execute("DELETE FROM messages WHERE expires_at < ?", (now,))
            transaction.execute(f"DELETE FROM messages WHERE queue IN ({abandoned})", (now,))  # noqa: S608  # as above
            transaction.execute(f"DELETE FROM bindings WHERE queue IN ({abandoned})", forgotten)  # noqa: S608  # as above
            transaction.execute("DELETE FROM queues WHERE used_at + expires < ?", forgotten)

    # -------------------------------------------------------------- queues

    def declare(self, queue: str, limits: QueueLimits) -> None:
        """Make a queue, or give it new limits."""
        with self.transaction() as transaction:
            transaction.execute(
                "INSERT OR REPLACE INTO queues VALUES (?, ?, ?, ?, ?, ?)", (queue, *limits, time.time())
            )

    def exists(self, queue: str) -> bool:
        """Tell whether a queue was declared."""
        return bool(self.read("SELECT 1 FROM queues WHERE name = ?", queue))

    def delete(self, queue: str) -> None:
        """Delete a queue with its messages and bindings."""
        with self.transaction() as transaction:
            for statement in (
                "DELETE FROM messages WHERE queue = ?",
                "DELETE FROM bindings WHERE queue = ?",
                "DELETE FROM queues WHERE name = ?",
            ):
                transaction.execute(statement, (queue,))

    def bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        """Let an exchange route to a queue."""
        with self.transaction() as transaction:
            transaction.execute(
                "INSERT OR IGNORE INTO bindings VALUES (?, ?, ?, ?)", (exchange, routing_key, pattern, queue)
            )

    def unbind(self, exchange: str | None, routing_key: str, queue: str) -> None:
        """Undo `bind`."""
        with self.transaction() as transaction:
            transaction.execute(
                "DELETE FROM bindings WHERE exchange = ? AND routing_key = ? AND queue = ?",
                (exchange, routing_key, queue),
            )

    def bindings(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return an exchange's bindings: routing key, pattern, queue."""
        return self.read("SELECT routing_key, pattern, queue FROM bindings WHERE exchange = ?", exchange)

    # -------------------------------------------------------------- readers

    def begin_reading(self, queue: str, owner: int) -> None:
        """Note that an owner reads a queue."""
        with self.transaction() as transaction:
            transaction.execute("INSERT OR IGNORE INTO readers VALUES (?, ?)", (queue, owner))

    def end_reading(self, queue: str | None, owner: int) -> None:
        """Note that an owner reads a queue no more, or none."""
        with self.transaction() as transaction:
            statement = "DELETE FROM readers WHERE queue = coalesce(?, queue) AND owner = ?"
            transaction.execute(statement, (queue, owner))

    def readers(self, queue: str) -> int:
        """Return how many owners read a queue and live."""
        owners = self.read("SELECT owner FROM readers WHERE queue = ?", queue)
        return sum(not self.owners.has_died(owner) for (owner,) in owners)

    # -------------------------------------------------------------- messages

    def put(self, queues: Iterable[str], payload: str, *, durable: bool) -> None:
        """Add a message to each of the queues, to all or to none."""
        now = time.time()
        rows = [{"queue": queue, "payload": payload, "now": now} for queue in queues]
        if rows:
            with self.transaction(durable=durable) as transaction:
                transaction.executemany(_PUT, rows)

    def take(self, queue: str, owner: int | None) -> Taken | None:
        """Return a queue's oldest message, now the owner's; without an owner it is gone."""
        # An empty look, the usual one, only reads.
        if not self.read(_NEXT, queue):
            return None
        with self.transaction() as transaction:
            taking = (_REMOVE, (queue,)) if owner is None else (_TAKE, (owner, queue))
            row = transaction.execute(*taking).fetchone()
            is_missing = row is None and transaction.execute(_NEXT, (queue,)).fetchone() is not None
        if is_missing:
            self.condemn("an index names a message that is not there")
        return Taken(*row) if row else None

    def acknowledge(self, tag: str, owner: int) -> None:
        """Delete a message, unless it is no longer the owner's."""
        with self.transaction() as transaction:
            transaction.execute("DELETE FROM messages WHERE id = ? AND owner = ?", (tag, owner))

    def give_back(self, owner: int, tag: str | None = None) -> None:
        """Return one message, or all, from an owner to the queue."""
        with self.transaction() as transaction:
            transaction.execute(
                "UPDATE messages SET owner = NULL WHERE owner = :owner AND id = coalesce(:tag, id)",
                {"owner": owner, "tag": tag},
            )

    def move(self, tag: str, owner: int, queues: Iterable[str], payload: str) -> None:
        """Put a message of the owner's, as `payload`, into other queues, as one that was never delivered."""
        with self.transaction(durable=True) as transaction:
            deleted = "DELETE FROM messages WHERE id = ? AND owner = ?"
            if transaction.execute(deleted, (tag, owner)).rowcount:
                transaction.executemany(
                    "INSERT INTO messages (queue, payload) VALUES (?, ?)",
                    [(queue, payload) for queue in queues],
                )

    def size(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        query = "SELECT count(*) FROM messages WHERE queue = ? AND owner IS NULL"
        return int(self.read(query, queue)[0][0])

    def purge(self, queue: str) -> int:
        """Delete the messages that wait in a queue; return how many."""
        with self.transaction() as transaction:
            statement = "DELETE FROM messages WHERE queue = ? AND owner IS NULL"
            return transaction.execute(statement, (queue,)).rowcount


_files: dict[Path, BrokerFile] = {}
_inherited: list[BrokerFile] = []
_opening = threading.Lock()


def open_file(path: Path) -> BrokerFile:
    """Return this process's access to a file; one per process, because record locks are the process's."""
    with _opening:
        file = _files.get(path)
        if file is None or file.process != os.getpid():
            if file is not None:
                # A fork must neither use nor close its parent's connection.
                _inherited.append(file)
            file = _files[path] = BrokerFile(path)
        return file
