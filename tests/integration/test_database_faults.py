"""What an administrator of PostgreSQL has done or not done, told in one line that says what helps."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, make_url, select, text
from sqlalchemy.exc import DBAPIError

from tasks.errors import SequenceBehind
from tasks.settings import Settings
from tasks.store.faults import told
from tasks.store.price_lists import accept
from tasks.store.revision import NEWEST
from tasks.store.schema import metadata, payments
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind
from tests.engines import connected
from tests.integration.commands import ctl
from tests.integration.conftest import PRICE_LIST, migrate
from tests.integration.pipeline import count, delivery, run, take_in
from tests.services import certificates, pgbouncer, postgres, postgres_database
from tests.stack import ROOT

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def administrator() -> Iterator[str]:
    """Run a server whose administrator the test is."""
    with postgres() as server:
        yield f"postgresql://postgres@127.0.0.1:{server.port}/postgres"


@pytest.fixture
def database(administrator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return an empty database, which DATABASE_URL names."""
    with postgres_database(administrator, pooler="") as url:
        monkeypatch.setenv("DATABASE_URL", url)
        yield url


def administer(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def release() -> tuple[int, str]:
    """Run the release step's first command; return its exit code and what it says on standard error."""
    done = subprocess.run(
        [Path(sys.executable).with_name("alembic"), "upgrade", "head"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def refusal(act: Callable[[], object] = lambda: migrate(os.environ["DATABASE_URL"])) -> str:
    """Return the line with which the release ends."""
    with pytest.raises(SystemExit) as stop:
        act()
    said = str(stop.value)
    assert "\n" not in said
    return said


def line(*arguments: str) -> str:
    """Return the one line with which a command ends."""
    done = ctl(*arguments)
    assert done.exit_code == 1, done.output
    assert done.output.startswith("Error: ")
    (said,) = done.output.splitlines()
    return said


# ---------------------------------------------------------------- rights


def test_a_role_that_may_not_create_tables_is_told_the_grant_that_helps(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on PostgreSQL 15 and newer for every role that does not own the database."""
    role = f"role_{make_url(database).database}"
    administer(database, f"CREATE ROLE {role} LOGIN")
    try:
        monkeypatch.setenv(
            "DATABASE_URL", make_url(database).set(username=role).render_as_string(hide_password=False)
        )
        code, said = release()
        assert code == 1
        assert "Traceback" not in said
        last = said.splitlines()[-1]
        assert "permission denied for schema public" in last
        grant = f"GRANT USAGE, CREATE ON SCHEMA public TO {role};"
        assert grant in last
        administer(database, grant)
        assert release()[0] == 0
    finally:
        administer(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_right_that_a_plan_takes_away_is_waited_for_and_named_as_the_databases_doing(database: str) -> None:
    migrate(database)
    role = f"role_{make_url(database).database}"
    administer(database, f"CREATE ROLE {role} LOGIN", f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    administer(database, f"REVOKE INSERT ON events FROM {role}")
    url = make_url(database).set(drivername="postgresql+psycopg", username=role)
    try:
        with (
            connected(url.render_as_string(hide_password=False)) as engine,
            pytest.raises(DBAPIError) as caught,
        ):
            take_in(engine, delivery("pay"))
        assert kind(caught.value) is Kind.TRANSIENT
        said = told(caught.value)
        assert "permission denied for table events" in said
        assert "taken a right away" in said
        assert "\n" not in said
    finally:
        administer(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


# ---------------------------------------------------------------- what it can hold, and how far it is


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused(
    administrator: str, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    options = f"ENCODING '{encoding}' LOCALE 'C'"
    with postgres_database(administrator, template="template0", options=options, pooler="") as url:
        monkeypatch.setenv("DATABASE_URL", url)
        said = refusal()
        assert encoding in said
        assert "CREATE DATABASE <name> ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;" in said
        with psycopg.connect(url) as connection:
            assert connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            ).fetchone() == (0,)
    # What it says to create is accepted.
    options = "ENCODING 'UTF8' LOCALE 'C.UTF-8'"
    with postgres_database(administrator, template="template0", options=options, pooler="") as url:
        monkeypatch.setenv("DATABASE_URL", url)
        migrate(url)


def test_a_newer_versions_tables_stop_neither_the_release_nor_the_work(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    migrate(database)
    newer = f"{int(NEWEST) + 1:04}"
    administer(database, f"UPDATE alembic_version SET version_num = '{newer}'")
    capsys.readouterr()
    migrate(database)
    (said,) = capsys.readouterr().err.splitlines()
    assert newer in said
    assert NEWEST in said
    assert ctl("payments", "list").exit_code == 0
    administer(database, "UPDATE alembic_version SET version_num = 'theirs'")
    assert "another application" in refusal()


def test_a_database_that_is_behind_is_told_how_far_and_what_to_run(database: str) -> None:
    said = line("payments", "list")
    assert "not migrated" in said
    assert "alembic upgrade head" in said
    migrate(database)
    administer(
        database,
        "ALTER TABLE payments DROP COLUMN payer CASCADE",
        "UPDATE alembic_version SET version_num = '0009'",
    )
    said = line("payments", "list")
    assert "0009" in said
    assert NEWEST in said
    assert "alembic upgrade head" in said


def behind(engine: Engine) -> str:
    """Return the command that helps a payment to be fulfilled, or nothing if it is."""
    try:
        run(engine, take_in(engine, delivery("after", data__rawCustomerId="bob")))
    except SequenceBehind as error:
        return str(error).partition("named next: ")[2]
    return ""


def test_a_sequence_that_is_behind_says_which_and_what_to_run(database: str) -> None:
    """As after a switch-over by logical replication, which copies rows and no sequences."""
    migrate(database)
    with connected(Settings.load().database_url.get_secret_value()) as engine:
        with engine.begin() as connection:
            assert accept(connection, PRICE_LIST, "a release")
        run(engine, take_in(engine, delivery("before")))
        numbered = [
            name
            for name, table in metadata.tables.items()
            if "id" in table.c and table.c.id.type.python_type is int
        ]
        for name in numbered:
            with engine.begin() as connection:
                connection.execute(
                    text("SELECT setval(pg_get_serial_sequence(:name, 'id'), 1, false)"), {"name": name}
                )
        assert kind(SequenceBehind()) is Kind.TRANSIENT
        mended: list[str] = []
        while said := behind(engine):
            mended.append(said)
            administer(database, said)
        # One command for each table that both payments have written to.
        assert len(mended) == len(set(mended)) == 3
        with engine.connect() as connection:
            decisions = connection.execute(select(payments.c.decision).distinct()).scalars().all()
        assert decisions == ["granted"]
        assert count(engine, payments) == 2


# ---------------------------------------------------------------- limits of connections


@pytest.mark.parametrize("limit", ["the server's", "the role's", "the database's", "the pooler's"])
def test_whoever_hits_a_limit_of_connections_names_it_and_goes_on_trying(limit: str) -> None:
    settings = ["max_connections=4", "superuser_reserved_connections=1"] if limit == "the server's" else []
    with ExitStack() as exits:
        server = exits.enter_context(postgres(*settings))
        own = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        administer(own, "CREATE ROLE shop LOGIN")
        url = own.replace("postgres@", "shop@")
        if limit == "the role's":
            administer(own, "ALTER ROLE shop CONNECTION LIMIT 2")
        elif limit == "the database's":
            administer(own, "ALTER DATABASE postgres CONNECTION LIMIT 2")
        elif limit == "the pooler's":
            url = exits.enter_context(pgbouncer(own, "max_client_conn = 2"))
        url = url.replace("postgresql:", "postgresql+psycopg:")
        taken = [exits.enter_context(connected(url)).connect() for _ in range(2)]
        if limit == "the server's":
            taken.append(exits.enter_context(connected(url)).connect())
        engine = exits.enter_context(connected(url))
        with pytest.raises(DBAPIError) as caught:
            engine.connect()
        said = told(caught.value)
        assert "This is a limit of connections" in said, said
        assert "\n" not in said
        assert kind(caught.value) is Kind.TRANSIENT
        for each in taken:
            each.close()
            each.engine.dispose()
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1


# ---------------------------------------------------------------- TLS


def test_a_server_is_verified_by_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, other = certificates(tmp_path / "own"), certificates(tmp_path / "other")
    with postgres(tls=own) as server:
        address = f"127.0.0.1:{server.port}/postgres?sslmode=verify-full&sslrootcert"
        url = f"postgresql://postgres@{address}={own.authority}"
        monkeypatch.setenv("DATABASE_URL", url)
        migrate(url)
        assert ctl("payments", "list").exit_code == 0
        with (
            connected(Settings.load().database_url.get_secret_value()) as engine,
            engine.connect() as connection,
        ):
            query = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert connection.execute(query).scalar_one() is True
        for refused in (
            f"{address}={other.authority}",
            f"localhost{address.removeprefix('127.0.0.1')}={own.authority}",
        ):
            monkeypatch.setenv("DATABASE_URL", f"postgresql://postgres@{refused}")
            assert "certificate" in line("payments", "list")
            assert "certificate" in refusal()
            with connected(Settings.load().database_url.get_secret_value()) as engine:
                with pytest.raises(DBAPIError) as caught:
                    engine.connect()
                assert kind(caught.value) is Kind.TRANSIENT
