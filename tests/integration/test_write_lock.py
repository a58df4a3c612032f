"""Whoever waits for the right to write a SQLite file has it soon after it is free."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tasks.embedded_broker.write_lock import begin
from tasks.store.database import connect
from tests.waiting import PATIENCE, wait_until

#: Seconds after which SQLite itself looks every 0.1 s: next after 0.43 s.
_LONG = 0.34


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


@contextmanager
def held(path: Path) -> Iterator[None]:
    with closing(opened(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def seconds_until_taken(path: Path) -> float:
    """Return how long the lock is nobody's, between one who has held it for long and one who waits."""
    taken: list[float] = []

    def wait() -> None:
        with closing(opened(path)) as connection:
            begin(connection)
            taken.append(time.monotonic())

    waiter = threading.Thread(target=wait)
    with held(path):
        waiter.start()
        ends = time.monotonic() + _LONG
        wait_until(lambda: time.monotonic() > ends, what="it has waited for long")
    free = time.monotonic()
    waiter.join(PATIENCE)
    return taken[0] - free


def test_the_lock_is_taken_soon_after_it_is_free(tmp_path: Path) -> None:
    # Of several, for the machine may be busy.
    assert min(seconds_until_taken(tmp_path / "file") for _ in range(5)) < 0.06


def test_it_is_waited_for_as_long_as_the_connection_says_and_no_longer(tmp_path: Path) -> None:
    with held(tmp_path / "file"), closing(opened(tmp_path / "file")) as connection:
        connection.execute("PRAGMA busy_timeout=300")
        began = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            begin(connection)
        assert time.monotonic() - began >= 0.3
        # What waits by itself does so as before.
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (300,)


def test_a_transaction_in_a_transaction_is_an_error_at_once(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "file")) as connection:
        begin(connection)
        with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
            begin(connection)


def test_the_ledgers_error_is_sqlalchemys(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/file", lock_timeout=1)
    with engine.begin():
        pass
    with held(tmp_path / "file"), pytest.raises(OperationalError, match="locked"), engine.begin():
        pass
    engine.dispose()
