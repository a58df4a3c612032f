"""Real servers for tests: private instances, and a private database on a PostgreSQL that runs already.

A machine without a server skips the tests that need it; with `CI` set, they fail instead.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from sqlalchemy import make_url

from tests.waiting import wait_until

#: A PostgreSQL server on which the tests may create databases of their own.
POSTGRES = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


def missing(what: str) -> NoReturn:
    """Skip, or fail where every server is promised."""
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, so this must run: {what}")
    pytest.skip(what)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Server:
    """A server process of the test's own, which may be stopped, killed and started again."""

    command: list[str]
    port: int
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    ready: Callable[[int], bool] = answers
    stop_signal: signal.Signals = signal.SIGTERM

    def __post_init__(self) -> None:
        self.environment = os.environ | self.environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once the server is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.user,
            )
        wait_until(self._is_ready, seconds=60, what=f"{self.command[0]} is ready; see {self.log}")

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"{self.command[0]} ended:\n{self.log.read_text()[-2000:]}")
        return self.ready(self.port)

    def stop(self, signal_number: signal.Signals | None = None) -> None:
        """End the server and everything that it started."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal_number or self.stop_signal)
        try:
            self._process.wait(timeout=30)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process = None


@contextmanager
def redis(folder: Path) -> Iterator[Server]:
    """Run a Redis server that keeps nothing."""
    command = shutil.which("redis-server") or missing("redis-server is not installed")
    port = free_port()
    server = Server(
        [command, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        port,
        folder / "redis.log",
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def rabbitmq(folder: Path) -> Iterator[Server]:
    """Run a RabbitMQ node with its data in `folder`; it keeps them through a stop."""
    # Debian's command on the path changes to a user that cannot enter the test's folder.
    places = os.pathsep.join(["/usr/lib/rabbitmq/bin", os.environ["PATH"]])
    command = shutil.which("rabbitmq-server", path=places) or missing("rabbitmq-server is not installed")
    port = free_port()
    (folder / "plugins").write_text("[].")
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    server = Server(
        [command],
        port,
        folder / "rabbitmq.log",
        {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"test-{uuid.uuid4().hex[:8]}@localhost",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        },
    )
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)


def rabbitmqctl(server: Server, *arguments: str) -> None:
    """Run a command of RabbitMQ's on a node that `rabbitmq` runs."""
    # Debian's command on the path changes to a user that cannot read the node's cookie.
    places = os.pathsep.join(["/usr/lib/rabbitmq/bin", os.environ["PATH"]])
    command = shutil.which("rabbitmqctl", path=places) or missing("rabbitmqctl is not installed")
    subprocess.run([command, *arguments], env=server.environment, check=True, capture_output=True)


def _postgres_answers(port: int) -> bool:
    # While it recovers from a crash it listens and refuses.
    try:
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def postgres() -> Iterator[Server]:
    """Run a PostgreSQL server of its own, with the database `postgres` of the user `postgres`."""
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
        port = free_port()
        server = Server(
            [str(Path(initdb).with_name("postgres")), "-D", str(data), "-p", str(port), "-k", str(folder)],
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


@contextmanager
def postgres_database() -> Iterator[str]:
    """Make a database for one test run and drop it afterwards; yield its URL."""
    name = f"coinflow_test_{uuid.uuid4().hex[:12]}"
    try:
        connection = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        missing(f"PostgreSQL cannot be reached at {make_url(POSTGRES)!r}: {error}")
    with connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        # Nobody pulls this server's plug: a commit need not wait for the disk.
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        try:
            yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
