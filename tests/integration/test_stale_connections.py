"""A connection that fails because of what it took over when it began is dropped, and the next one works."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError

from tasks.worker.kinds import Kind
from tasks.worker.retries import kind
from tests.engines import connected
from tests.services import Server, free_port, postgres, postgres_database
from tests.waiting import wait_until

WRITE = text("INSERT INTO things VALUES (:id)")
#: What goes wrong, and what mends it, as statements of an administrator on a `database` and its `role`.
FAULTS = {
    "a database made read-only": (
        "ALTER DATABASE {database} SET default_transaction_read_only = on",
        "ALTER DATABASE {database} RESET default_transaction_read_only",
    ),
    "a role made read-only": (
        "ALTER ROLE {role} SET default_transaction_read_only = on",
        "ALTER ROLE {role} RESET default_transaction_read_only",
    ),
    "a role that looks elsewhere for its tables": (
        "ALTER ROLE {role} SET search_path = elsewhere",
        "ALTER ROLE {role} RESET search_path",
    ),
    "a role that acts as another": (
        "CREATE ROLE {role}_other; GRANT {role}_other TO {role}; ALTER ROLE {role} SET role = {role}_other",
        "ALTER ROLE {role} RESET role",
    ),
}


def psycopg_url(url: str, **parts: str) -> str:
    """Return an administrator's URL as the product writes it."""
    return (
        make_url(url).set(drivername="postgresql+psycopg", **parts).render_as_string(hide_password=False)  # type: ignore[arg-type]  # `set` takes what a URL has
    )


class Place:
    """A database with a table, its administrator, and a role that may write to it."""

    def __init__(self, url: str, administrator: psycopg.Connection[Any]) -> None:
        self._admin = administrator
        self.names = {"database": str(make_url(url).database), "role": f"role_{uuid.uuid4().hex[:12]}"}
        self.url = psycopg_url(url, username=self.names["role"])

    def make_role(self) -> None:
        self.execute("CREATE ROLE {role} LOGIN; GRANT ALL ON things TO {role}")

    def drop_roles(self) -> None:
        for name in ("{role}", "{role}_other"):
            self.execute(
                f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') "
                f"THEN DROP OWNED BY {name}; DROP ROLE {name}; END IF; END $$"
            )

    def execute(self, statement: str) -> None:
        self._admin.execute(statement.format(**self.names).encode())


@pytest.fixture(scope="module")
def administrator() -> Iterator[str]:
    """Run a server whose administrator the test is: a shared one lets nobody make roles."""
    with postgres() as server:
        yield f"postgresql://postgres@127.0.0.1:{server.port}/postgres"


@pytest.fixture
def place(administrator: str) -> Iterator[Place]:
    with (
        postgres_database(administrator, pooler="") as url,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        place = Place(url, connection)
        try:
            place.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
            place.make_role()
            yield place
        finally:
            place.drop_roles()


@pytest.fixture
def engine(place: Place) -> Iterator[Engine]:
    with connected(place.url) as engine:
        yield engine


def write(engine: Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(WRITE, {"id": number})


def fail_to_write(engine: Engine) -> None:
    with pytest.raises(DBAPIError) as caught:
        write(engine, 0)
    assert kind(caught.value) is Kind.TRANSIENT


@pytest.mark.parametrize("fault", FAULTS)
def test_a_connection_made_meanwhile_writes_once_it_is_over(place: Place, engine: Engine, fault: str) -> None:
    breaking, mending = FAULTS[fault]
    place.execute(breaking)
    fail_to_write(engine)
    place.execute(mending)
    write(engine, 1)


def test_a_role_that_is_made_anew_writes(place: Place, engine: Engine) -> None:
    write(engine, 1)
    place.drop_roles()
    place.make_role()
    fail_to_write(engine)
    write(engine, 2)


def test_a_right_that_was_taken_and_given_back_is_waited_for(place: Place, engine: Engine) -> None:
    """As hosted plans do when a database has outgrown them."""
    write(engine, 1)
    place.execute("REVOKE INSERT ON things FROM {role}")
    fail_to_write(engine)
    place.execute("GRANT INSERT ON things TO {role}")
    write(engine, 2)


def backend(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


@pytest.mark.parametrize(
    ("state", "is_dropped"),
    [
        *((state, True) for state in ("08006", "08P01", "25006", "28000", "42501", "42P01")),
        *((state, True) for state in ("57P01", "57P02", "57P03", "57P04", "57P05")),
        *((state, False) for state in ("23505", "40001", "40P01", "53100", "55P03", "57014", "42703")),
    ],
)
def test_the_sqlstate_decides_whether_the_connection_is_dropped(
    engine: Engine, state: str, *, is_dropped: bool
) -> None:
    """Also where it stays open, as a pooler leaves it."""
    before = backend(engine)
    with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
        connection.execute(text(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$"))
    assert (backend(engine) != before) is is_dropped
    assert not is_dropped or kind(caught.value) is Kind.TRANSIENT


def test_every_connection_of_the_process_is_dropped(place: Place, engine: Engine) -> None:
    place.execute("ALTER DATABASE {database} SET default_transaction_read_only = on")
    with engine.connect(), engine.connect():
        assert engine.pool.status()
    fail_to_write(engine)
    place.execute("ALTER DATABASE {database} RESET default_transaction_read_only")
    with engine.begin() as one, engine.begin() as other:
        one.execute(WRITE, {"id": 1})
        other.execute(WRITE, {"id": 2})


@contextmanager
def standby(primary: Server) -> Iterator[Server]:
    """Run a server that follows another one."""
    binaries = Path(primary.command[0]).parent
    folder = Path(primary.command[2]).with_name("standby")
    copy = [
        str(binaries / "pg_basebackup"),
        "--pgdata",
        str(folder),
        "--write-recovery-conf",
        "--checkpoint=fast",
    ]
    address = ["--host", "127.0.0.1", "--port", str(primary.port), "--username", "postgres"]
    subprocess.run([*copy, *address], check=True, capture_output=True, user=primary.user)
    port = free_port()
    command = [primary.command[0], "-D", str(folder), "-p", str(port), *primary.command[5:]]
    server = Server(
        command,
        port,
        primary.log.with_name("standby.log"),
        ready=primary.ready,
        user=primary.user,
        stop_signal=primary.stop_signal,
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def test_a_standby_that_is_promoted_is_written_to() -> None:
    with postgres() as primary:
        with psycopg.connect(f"postgresql://postgres@127.0.0.1:{primary.port}/postgres") as connection:
            connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
        with standby(primary) as server, ExitStack() as exits:
            url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
            engine = exits.enter_context(connected(psycopg_url(url)))
            fail_to_write(engine)
            with psycopg.connect(url, autocommit=True) as administrator:
                administrator.execute("SELECT pg_promote()")
                wait_until(
                    lambda: administrator.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,),
                    what="the standby is promoted",
                )
            write(engine, 1)
