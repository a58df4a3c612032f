"""PostgreSQL for tests: servers of their own, and private databases on one that runs already."""

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests.services.certificates import Certificates
from tests.services.pgbouncer import IGNORING, pgbouncer
from tests.services.server import Server, free_port, missing

#: A PostgreSQL server on which the tests may create databases of their own.
POSTGRES = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
#: Where it is set, the tests' databases are reached through a pooler with these settings.
POOLERS: dict[str, tuple[str, ...]] = {"strict": (), "ignoring": (IGNORING,)}
POOLER = os.environ.get("TEST_DATABASE_POOLER", "")


def _postgres_answers(port: int) -> bool:
    # While it recovers from a crash it listens and refuses.
    try:
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def postgres(*settings: str, tls: Certificates | None = None) -> Iterator[Server]:
    """Run a PostgreSQL server of its own, with the database `postgres` of the user `postgres`.

    `settings` are parameters of its own, such as `max_connections=8`.
    """
    places = os.pathsep.join([*map(str, Path("/usr/lib/postgresql").glob("*/bin")), os.environ["PATH"]])
    initdb = shutil.which("initdb", path=places) or missing("PostgreSQL's initdb is not installed")
    # It refuses to run as root; tests' folders are closed to other users.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        folder, data = Path(name), Path(name) / "data"
        if user:
            shutil.chown(folder, user)
        subprocess.run(
            [initdb, "--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            user=user,
        )
        if tls:
            settings += ("ssl=on", *_certified(tls, data, user))
        port = free_port()
        server = Server(
            [
                *(
                    str(Path(initdb).with_name("postgres")),
                    "-D",
                    str(data),
                    "-p",
                    str(port),
                    "-k",
                    str(folder),
                ),
                *(word for setting in settings for word in ("-c", setting)),
            ],
            port,
            folder / "log",
            ready=_postgres_answers,
            user=user,
            # SIGTERM would wait for the clients to leave.
            stop_signal=signal.SIGINT,
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _certified(tls: Certificates, data: Path, user: str | None) -> Iterator[str]:
    """Give the server copies that are its user's own; it accepts no other key."""
    for setting, file in (("ssl_cert_file", tls.certificate), ("ssl_key_file", tls.key)):
        copy = Path(shutil.copy2(file, data))
        if user:
            shutil.chown(copy, user)
        yield f"{setting}={copy}"


@contextmanager
def postgres_database(
    server: str = POSTGRES, *, template: str = "template1", options: str = "", pooler: str = POOLER
) -> Iterator[str]:
    """Make a database on a server, a copy of another one's, and drop it afterwards; yield its URL.

    `options` are those of CREATE DATABASE. `pooler` names one of POOLERS that is reached in its stead,
    with more connections than any test wants at once.
    """
    name = f"coinflow_test_{uuid.uuid4().hex[:12]}"
    try:
        connection = psycopg.connect(server, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        missing(f"PostgreSQL cannot be reached at {make_url(server)!r}: {error}")
    with connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {options}'.encode())
        # Nobody pulls this server's plug: a commit need not wait for the disk.
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        url = make_url(server).set(database=name).render_as_string(hide_password=False)
        try:
            with ExitStack() as poolers:
                if pooler:
                    url = poolers.enter_context(pgbouncer(url, *POOLERS[pooler], servers=30))
                yield url
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
