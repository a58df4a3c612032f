"""One release at a time: replicas that start together all want to migrate.

The lock must hold from a migration's first transaction to its last, and through a pooler that lends a session
for one transaction alone. So it belongs to a transaction that stays open beside them.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, text

#: Any number that nothing else in the database locks: `coinflow` in ASCII.
_KEY = int.from_bytes(b"coinflow", "big")
_TAKE = text(f"SELECT pg_try_advisory_xact_lock({_KEY})")
#: The transaction idles while the migrations run, however long they take. Being no query, it also lets go of
#: the query's snapshot before it, which an index that is made concurrently would wait for.
_STAY = text("SET LOCAL idle_in_transaction_session_timeout = 0")
#: Seconds between two tries.
_PAUSE = 0.2

_log = structlog.get_logger(__name__)


@contextmanager
def turn(engine: Engine) -> Iterator[None]:
    """Wait until no other release migrates the database, and keep the others waiting meanwhile."""
    if engine.dialect.name == "sqlite":
        with _turn_on_sqlite(Path(engine.url.database or ".").parent):
            yield
        return
    with engine.connect() as connection:
        if not _take(connection):
            _log.warning("release.waiting", reason="Another release migrates this database.")
            while not _take(connection):
                time.sleep(_PAUSE)
        yield
        connection.rollback()


def _take(connection: Connection) -> bool:
    if connection.execute(_TAKE).scalar_one():
        connection.execute(_STAY)
        return True
    # Nobody may wait for the lock in a statement: the other's index would wait for that one, too.
    connection.rollback()
    return False


@contextmanager
def _turn_on_sqlite(folder: Path) -> Iterator[None]:
    # A lock of the file itself would, when it is let go, take SQLite's own with it.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
