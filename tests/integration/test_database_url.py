"""DATABASE_URL means what it says: every parameter of it holds."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text

from tasks.errors import SearchPathDropped
from tasks.settings import Settings
from tasks.store.price_lists import accept
from tasks.store.schema import events, payments
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind
from tests.engines import connected
from tests.integration.commands import ctl
from tests.integration.conftest import PRICE_LIST, migrate
from tests.integration.pipeline import count, delivery, run, take_in
from tests.services import pgbouncer, postgres_database
from tests.services.pgbouncer import IGNORING


@pytest.fixture
def server() -> Iterator[str]:
    """Return an empty database, without a pooler."""
    with postgres_database(pooler="") as url:
        yield url


def asking(url: str, monkeypatch: pytest.MonkeyPatch, **parameters: str) -> str:
    """Let DATABASE_URL have parameters; return it as the product reads it."""
    asked = make_url(url).update_query_dict(parameters)
    monkeypatch.setenv("DATABASE_URL", asked.render_as_string(hide_password=False))
    return Settings.load().database_url.get_secret_value()


def said_by(engine: Engine, setting: str) -> str:
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT current_setting(:name)"), {"name": setting}).scalar_one())


def test_two_schemas_of_a_postgresql_database_are_two_ledgers(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute('CREATE SCHEMA sabre; CREATE SCHEMA "Bow and arrow"')
    shops = {
        "sabre": "-csearch_path=sabre",
        "Bow and arrow": r'-c lock_timeout=1s --search_path="Bow\ and\ arrow"',
    }
    for payments_there, (schema, options) in enumerate(shops.items()):
        url = asking(server, monkeypatch, options=options)
        migrate(url)
        with connected(url) as engine:
            with engine.begin() as connection:
                assert accept(connection, PRICE_LIST, "a release")
            run(engine, take_in(engine, delivery("same")))
            for number in range(payments_there):
                run(engine, take_in(engine, delivery(f"own-{number}")))
            assert count(engine, payments) == 1 + payments_there, schema
    with psycopg.connect(server) as administrator:
        tables = administrator.execute(
            "SELECT schemaname, count(*) FROM pg_tables WHERE schemaname !~ '^(pg_|information)' GROUP BY 1"
        ).fetchall()
        versions = administrator.execute(
            "SELECT a.version_num = b.version_num "
            'FROM sabre.alembic_version a, "Bow and arrow".alembic_version b'
        ).fetchall()
    assert {schema for schema, _ in tables} == set(shops)
    assert len({number for _, number in tables}) == 1
    assert versions == [(True,)]


def test_a_search_path_that_a_pooler_drops_is_noticed_before_anything_is_written(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(asking(server, monkeypatch))
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute("CREATE SCHEMA sabre")
    with pgbouncer(server, IGNORING) as pooled:
        url = asking(pooled, monkeypatch, options="-csearch_path=sabre")
        with connected(url) as engine:
            with pytest.raises(SearchPathDropped, match="ALTER ROLE") as caught:
                take_in(engine, delivery("pay"))
            assert kind(caught.value) is Kind.TRANSIENT
        done = ctl("payments", "list")
        assert (done.exit_code, done.output.count("\n")) == (1, 1)
        assert "ALTER ROLE" in done.output
    with connected(asking(server, monkeypatch)) as engine:
        assert count(engine, events) == 0


def test_the_parameters_of_the_url_win_and_ours_hold_where_it_says_nothing(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = {"connect_timeout": "17", "keepalives_idle": "23", "application_name": "shop"}
    with (
        connected(asking(server, monkeypatch, **parameters)) as engine,
        closing(engine.raw_connection()) as raw,
    ):
        told = raw.driver_connection.info.get_parameters()  # type: ignore[union-attr]  # psycopg's
        assert {name: told[name] for name in parameters} == parameters
        assert said_by(engine, "application_name") == "shop"
    with connected(asking(server, monkeypatch)) as engine, closing(engine.raw_connection()) as raw:
        assert raw.driver_connection.info.get_parameters()["connect_timeout"] == "5"  # type: ignore[union-attr]
        assert said_by(engine, "lock_timeout") == "10s"
    options = asking(server, monkeypatch, options="-c statement_timeout=29s")
    with connected(options) as engine:
        assert said_by(engine, "statement_timeout") == "29s"
