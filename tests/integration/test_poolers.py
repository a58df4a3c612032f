"""Behind a pooler in transaction mode: nothing is left with a session, and nothing is expected of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tasks.payments.states import DecisionStatus
from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.faults import told
from tasks.store.postgresql import connect_to_postgresql
from tasks.store.price_lists import accept
from tasks.store.schema import payments
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind
from tests.integration.conftest import PRICE_LIST, migrate
from tests.integration.pipeline import count, delivery, run, take_in
from tests.services import pgbouncer, postgres_database
from tests.services.postgres_server import POOLERS

pytestmark = pytest.mark.long


@pytest.fixture
def server() -> Iterator[str]:
    """Return an empty database without a pooler."""
    with postgres_database(pooler="") as url:
        yield url


@pytest.fixture(params=POOLERS)
def pooled(request: pytest.FixtureRequest, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return it through a pooler that has two connections for everybody."""
    with pgbouncer(server, *POOLERS[request.param], servers=2) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("DATABASE_POOLER", "true")
        yield Settings.load().database_url.get_secret_value()


def test_purchases_of_many_processes_are_fulfilled_once_over_two_connections(pooled: str) -> None:
    migrate(pooled)
    with ExitStack() as exits:
        # As many as processes have, each with one connection to the pooler.
        engines = [connect(pooled, pooler=True) for _ in range(6)]
        for engine in engines:
            exits.callback(engine.dispose)
        with engines[0].begin() as connection:
            accept(connection, PRICE_LIST, "a release")

        def work(number: int) -> None:
            engine = engines[number % 6]
            # More often than the driver waits before it would prepare a statement.
            for each in range(10):
                run(engine, take_in(engine, delivery(f"pay-{each}")))

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(6)))
        assert count(engines[0], payments) == 10
        with engines[0].connect() as connection:
            decisions = connection.execute(text("SELECT DISTINCT decision FROM payments")).scalars().all()
        assert decisions == [DecisionStatus.GRANTED]


def test_prepared_statements_would_clash(pooled: str) -> None:
    """What DATABASE_POOLER is for; without it the driver prepares what it has executed five times."""
    with ExitStack() as exits:
        engines: list[Engine] = [
            connect_to_postgresql(pooled, pooler=False, connections=1, lock_timeout=10) for _ in range(2)
        ]
        for engine in engines:
            exits.callback(engine.dispose)

        def work() -> None:
            for number in range(40):
                with engines[number % 2].begin() as connection:
                    connection.execute(text("SELECT :number"), {"number": number})

        with pytest.raises(DBAPIError, match="prepared statement") as caught:
            work()
        assert kind(caught.value) is Kind.TRANSIENT
        assert "DATABASE_POOLER=true" in told(caught.value)


def test_a_lock_is_waited_for_a_bounded_time_and_the_bound_ends_with_the_transaction(pooled: str) -> None:
    with ExitStack() as exits:
        engine = connect(pooled, pooler=True, connections=2, lock_timeout=1)
        exits.callback(engine.dispose)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE things (id INTEGER)"))
        with engine.begin() as holder, engine.connect() as waiter:
            holder.execute(text("LOCK TABLE things"))
            with pytest.raises(OperationalError, match="lock timeout"):
                waiter.execute(text("SELECT * FROM things"))
        with psycopg.connect(
            make_url(pooled).set(drivername="postgresql").render_as_string(hide_password=False)
        ) as raw:
            assert raw.execute("SELECT current_setting('lock_timeout')").fetchone() == ("0",)


def test_a_migration_leaves_nothing_with_the_sessions_of_others(pooled: str) -> None:
    migrate(pooled)
    migrate(pooled)
    with psycopg.connect(
        make_url(pooled).set(drivername="postgresql").render_as_string(hide_password=False)
    ) as raw:
        for setting in ("lock_timeout", "idle_in_transaction_session_timeout"):
            assert raw.execute(f"SELECT current_setting('{setting}')".encode()).fetchone() == ("0",)
        held = raw.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert held.fetchone() == (0,)
