"""Waiting for the right to write a SQLite file, which one process has at a time."""

import sqlite3
import time
from collections.abc import Callable

_BEGIN = "BEGIN IMMEDIATE"
#: Seconds between two tries.
_PAUSE = 0.001


def begin(connection: sqlite3.Connection, execute: Callable[[str], object] | None = None) -> None:
    """Begin a transaction that writes, within the connection's `busy_timeout`.

    SQLite itself looks less and less often, every 0.1 s in the end, and so favours whoever came last: where
    several processes write all the time, one of them may miss its turn for most of a second.
    Raises sqlite3.Error, or what `execute` makes of it.
    """
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    deadline = time.monotonic() + patience / 1000
    connection.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < deadline:
            try:
                connection.execute(_BEGIN)
            except sqlite3.Error as error:
                if not _is_busy(error):
                    break
            else:
                return
            time.sleep(_PAUSE)
        (execute or connection.execute)(_BEGIN)
    finally:
        connection.execute(f"PRAGMA busy_timeout={patience}")


def _is_busy(error: sqlite3.Error) -> bool:
    # The code's higher bits are details. An error of sqlite3's own has none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
