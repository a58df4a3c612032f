"""The retry policy against what real databases and libraries raise."""

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import ANY, Mock

import amqp.exceptions
import kombu.exceptions
import psycopg
import pytest
import redis.exceptions
from celery.exceptions import Retry, SoftTimeLimitExceeded
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tasks.celery import app
from tasks.errors import PermanentError, PriceMismatch, Stalled, TransientError
from tasks.pipeline import fulfilment, intake
from tasks.settings import Settings
from tasks.store.database import connect
from tasks.worker.retries import (
    BACKOFF_LIMIT,
    HELD_LIMIT,
    HOLD_LIMIT,
    UNEXPECTED_TRIES,
    Held,
    Kind,
    Wait,
    backoff,
    kind,
    try_again,
    try_later,
)
from tests.chaos.proxy import Proxy
from tests.services import postgres_database


def raised(action: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is the question
        action()
    assert isinstance(caught.value, Exception)
    return caught.value


@pytest.fixture(scope="module")
def postgres() -> Any:
    with postgres_database() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        engine = connect(Settings.load().database_url.get_secret_value())
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY, n INTEGER, name TEXT)"))
            connection.execute(text("INSERT INTO things VALUES (1, 0, ''), (2, 0, '')"))
        yield engine
        engine.dispose()


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
    both_hold = threading.Barrier(2, timeout=10)
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
        thread.join(20)
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
    engine = connect("postgresql+psycopg://postgres@127.0.0.1:1/none")
    assert kind(raised(engine.connect)) is Kind.TRANSIENT


def test_a_database_that_falls_silent_until_the_time_limit_is_transient(postgres: Engine) -> None:
    def stop(*_: object) -> None:
        raise SoftTimeLimitExceeded

    with Proxy(postgres.url.port or 5432) as proxy:
        engine = connect(postgres.url.set(port=proxy.port).render_as_string(hide_password=False))
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
        engine.dispose()


@pytest.mark.parametrize("fault", ["locked", "full", "readonly"])
def test_what_ails_a_sqlite_file_is_transient(tmp_path: Path, fault: str) -> None:
    engine = connect(f"sqlite:///{tmp_path}/file")
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
    engine.dispose()
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
        (amqp.exceptions.AccessRefused(), Kind.UNEXPECTED),
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


def test_the_wait_grows_to_its_limit_with_full_jitter() -> None:
    for tries in (0, 1, 5, 10, 1000):
        waits = [backoff(tries) for _ in range(300)]
        longest = min(2**tries, BACKOFF_LIMIT)
        assert 0 <= min(waits) <= longest / 4
        assert longest * 3 / 4 <= max(waits) <= longest


@app.task(name="tests.retries.idle", bind=True)
def idle(self: Any) -> None: ...


@contextmanager
def running(retries: int = 0, **headers: Any) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Run a task as a worker does; yield it and the options of each message that it sends."""
    sent: list[dict[str, Any]] = []
    task = app.tasks["tests.retries.idle"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(task), "apply_async", lambda _task, *_arguments, **options: sent.append(options))
        task.push_request(
            args=(), kwargs={}, retries=retries, called_directly=False, delivery_info={}, **headers
        )
        yield task, sent
        task.pop_request()


def sent_later(error: Exception, retries: int, **headers: Any) -> dict[str, Any] | None:
    """Return the options that a retry is sent with, or None if the error is final."""
    with running(retries, **headers) as (task, sent), suppress(Retry):
        try_later(task, error)
    return sent[0] if sent else None


def held(error: Exception, **headers: Any) -> Wait | None:
    """Return how a worker holds the task, or None if the error is final."""
    with running(**headers) as (task, _):
        try:
            try_again(task, error)
        except Held as asked:
            wait: Wait = asked.args[1]
            return wait
    return None


def test_an_outage_is_waited_out_without_end() -> None:
    sent = sent_later(ConnectionError(), retries=10_000)
    assert sent
    assert sent["retries"] == 10_001
    assert held(ConnectionError(), held_since=time.time() - HOLD_LIMIT / 2)


def test_what_nobody_foresaw_has_its_tries_however_many_outages_came_before() -> None:
    later: dict[str, Any] = {}
    in_place = 0
    for tries in range(UNEXPECTED_TRIES):
        sent, wait = (
            sent_later(ValueError(), 50 + tries, **later),
            held(ValueError(), unexpected_tries=in_place),
        )
        assert sent
        assert wait
        later, in_place = sent["headers"], wait.tries
        assert held(ConnectionError(), unexpected_tries=in_place) == (ANY, in_place)
    assert sent_later(ValueError(), 60, **later) is None
    assert held(ValueError(), unexpected_tries=in_place) is None


def test_what_is_held_waits_longer_each_time_up_to_a_limit() -> None:
    for waited, longest in ((0, 1), (4, 4), (HOLD_LIMIT - 1, HELD_LIMIT)):
        waits = [held(ConnectionError(), held_since=time.time() - waited) for _ in range(100)]
        assert all(wait and longest / 2 <= wait.seconds <= longest + 0.1 for wait in waits)


def test_what_was_held_for_long_goes_to_the_end_of_its_queue_and_stays_if_no_queue_takes_it() -> None:
    long_ago = time.time() - HOLD_LIMIT - 1
    with running(held_since=long_ago, unexpected_tries=2) as (task, sent), pytest.raises(Retry):
        try_again(task, ConnectionError())
    assert sent[0]["countdown"] == 0
    assert sent[0]["headers"] == {"unexpected_tries": 2}
    for try_once_more in (try_again, try_later):
        with running(held_since=long_ago) as (task, _), pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(task), "apply_async", Mock(side_effect=amqp.exceptions.MessageNacked()))
            with pytest.raises(Held):
                try_once_more(task, ConnectionError())


def test_what_a_broker_has_noted_on_a_message_is_not_said_again() -> None:
    """RabbitMQ lets no message wait where its headers say that it has waited: it would never come back."""
    noted = {
        "x-death": [{"queue": "celery_delayed_0"}],
        "x-first-death-queue": "celery_delayed_0",
        "x-delivery-count": 3,
    }
    for error in (ValueError(), ConnectionError()):
        sent = sent_later(error, 1, **noted, own="kept")
        assert sent
        assert sent["headers"].items() >= {"own": "kept"}.items()
        assert not noted.keys() & sent["headers"].keys()


def test_what_a_time_limit_has_cut_off_is_sent_once() -> None:
    """A retry that is raised while the time limit's error is handled is no error of its own."""

    def hang() -> None:
        raise SoftTimeLimitExceeded

    def handle(*_: object) -> None:
        try:
            hang()
        except SoftTimeLimitExceeded as error:
            try_later(app.tasks["tests.retries.idle"], error)

    with running() as (task, sent), pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "run", handle)
        with pytest.raises(Retry):
            task()
    assert len(sent) == 1


def test_a_permanent_error_is_not_tried_again() -> None:
    assert sent_later(PriceMismatch(), retries=0) is None
    assert held(PriceMismatch()) is None


@pytest.mark.parametrize(("module", "step"), [(fulfilment, "fulfil"), (intake, "store")])
def test_a_database_that_hangs_until_the_time_limit_is_no_reason_to_give_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, module: Any, step: str
) -> None:
    def hang(*_: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(module, "engine", lambda: engine)
    monkeypatch.setattr(module, "catalog", dict, raising=False)
    monkeypatch.setattr(module, step, hang)
    task = fulfilment.fulfil_payments if module is fulfilment else intake.store_events
    with pytest.raises(Stalled) as stalled:
        task.run(["pay"])
    assert kind(stalled.value) is Kind.TRANSIENT
