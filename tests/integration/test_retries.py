"""The kinds of errors, against what real databases and libraries raise."""

import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import amqp.exceptions
import kombu.exceptions
import psycopg
import pytest
import redis.exceptions
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tasks.errors import PermanentError, PriceMismatch, TransientError
from tasks.settings import Settings
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind
from tests.chaos.proxy import Proxy
from tests.engines import connected
from tests.services import postgres_database
from tests.waiting import PATIENCE


def raised(action: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is the question
        action()
    assert isinstance(caught.value, Exception)
    return caught.value


@pytest.fixture(scope="module")
def postgres() -> Any:
    with postgres_database() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        with connected(Settings.load().database_url.get_secret_value()) as engine:
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, n INTEGER, name TEXT)"))
                connection.execute(text("INSERT INTO things VALUES (1, 0, ''), (2, 0, '')"))
            yield engine


def test_a_backend_that_is_killed_in_mid_transaction_is_transient(postgres: Engine) -> None:
    def work() -> None:
        with postgres.begin() as connection, postgres.connect() as other:
            process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            connection.execute(text("UPDATE things SET n = n + 1 WHERE id = 1"))
            other.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
            connection.execute(text("UPDATE things SET n = n + 1 WHERE id = 2"))

    assert kind(raised(work)) is Kind.TRANSIENT
    with postgres.connect() as connection:
        assert connection.execute(text("SELECT sum(n) FROM things")).scalar_one() == 0


def test_of_two_transactions_that_deadlock_one_ends_and_the_other_is_transient(postgres: Engine) -> None:
    both_hold = threading.Barrier(2, timeout=PATIENCE)
    errors: list[Exception] = []

    def work(first: int, second: int) -> None:
        try:
            with postgres.begin() as connection:
                connection.execute(text(f"UPDATE things SET name = 'x' WHERE id = {first}"))
                both_hold.wait()
                connection.execute(text(f"UPDATE things SET name = 'y' WHERE id = {second}"))
        except DBAPIError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [kind(error) for error in errors] == [Kind.TRANSIENT]
    assert "deadlock" in str(errors[0])


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1/0", Kind.UNEXPECTED),
        ("INSERT INTO things VALUES (1, 0, '')", Kind.UNEXPECTED),
        ("SELECT 'x'::integer", Kind.UNEXPECTED),
        ("SELECT FROM WHERE", Kind.UNEXPECTED),
        ("SELECT * FROM no_table", Kind.TRANSIENT),
        ("SELECT no_column FROM things", Kind.TRANSIENT),
        ("SET TRANSACTION READ ONLY; DELETE FROM things", Kind.TRANSIENT),
        ("SET LOCAL statement_timeout = 10; SELECT pg_sleep(5)", Kind.TRANSIENT),
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", Kind.TRANSIENT),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", Kind.TRANSIENT),
        ("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$", Kind.TRANSIENT),
        ("DO $$ BEGIN RAISE SQLSTATE '54000'; END $$", Kind.UNEXPECTED),
    ],
)
def test_what_postgresql_says_has_its_kind(postgres: Engine, statement: str, expected: Kind) -> None:
    def work() -> None:
        with postgres.begin() as connection:
            connection.exec_driver_sql(statement)

    assert kind(raised(work)) is expected


def test_a_lock_that_is_not_had_in_time_is_transient(postgres: Engine) -> None:
    def work() -> None:
        with postgres.begin() as holder, postgres.begin() as waiter:
            holder.execute(text("SELECT * FROM things FOR UPDATE"))
            waiter.execute(text("SET LOCAL lock_timeout = '50ms'"))
            waiter.execute(text("SELECT * FROM things FOR UPDATE"))

    assert kind(raised(work)) is Kind.TRANSIENT


def test_a_server_that_is_not_there_is_transient() -> None:
    with connected("postgresql+psycopg://postgres@127.0.0.1:1/none") as engine:
        assert kind(raised(engine.connect)) is Kind.TRANSIENT


def test_a_database_that_falls_silent_until_the_time_limit_is_transient(postgres: Engine) -> None:
    def stop(*_: object) -> None:
        raise SoftTimeLimitExceeded

    with (
        Proxy(postgres.url.port or 5432) as proxy,
        connected(postgres.url.set(port=proxy.port).render_as_string(hide_password=False)) as engine,
    ):
        with engine.connect():
            pass
        proxy.silence()
        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            # The pool asks first whether the connection is alive.
            error = raised(engine.connect)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert kind(error) is Kind.TRANSIENT


@pytest.mark.parametrize("fault", ["locked", "full", "readonly"])
def test_what_ails_a_sqlite_file_is_transient(tmp_path: Path, fault: str) -> None:
    with connected(f"sqlite:///{tmp_path}/file") as engine:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE things (name TEXT)"))

        def work() -> None:
            with engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("PRAGMA busy_timeout = 10")
                if fault == "full":
                    raw.execute("PRAGMA max_page_count = 1")
                if fault == "readonly":
                    raw.execute("PRAGMA query_only = ON")
                connection.execute(text("INSERT INTO things VALUES (:name)"), {"name": "x" * 100_000})

        with closing(sqlite3.connect(tmp_path / "file", isolation_level=None)) as other:
            if fault == "locked":
                other.execute("BEGIN IMMEDIATE")
            error = raised(work)
    assert fault in str(error)
    assert kind(error) is Kind.TRANSIENT


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionResetError(), Kind.TRANSIENT),
        (TimeoutError(), Kind.TRANSIENT),
        (TransientError(), Kind.TRANSIENT),
        (psycopg.errors.AdminShutdown(), Kind.TRANSIENT),
        (kombu.exceptions.OperationalError(), Kind.TRANSIENT),
        (amqp.exceptions.ConnectionForced(), Kind.TRANSIENT),
        (amqp.exceptions.AccessRefused(), Kind.TRANSIENT),
        (amqp.exceptions.RecoverableConnectionError(), Kind.TRANSIENT),
        (amqp.exceptions.MessageNacked(), Kind.TRANSIENT),
        (redis.exceptions.ConnectionError(), Kind.TRANSIENT),
        (redis.exceptions.BusyLoadingError(), Kind.TRANSIENT),
        (redis.exceptions.ReadOnlyError(), Kind.TRANSIENT),
        (redis.exceptions.ResponseError(), Kind.UNEXPECTED),
        (PermanentError(), Kind.PERMANENT),
        (PriceMismatch(), Kind.PERMANENT),
        (ValueError(), Kind.UNEXPECTED),
        (OSError(), Kind.UNEXPECTED),
    ],
)
def test_an_error_has_its_kind(error: Exception, expected: Kind) -> None:
    assert kind(error) is expected
