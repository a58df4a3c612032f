"""The servers that a benchmark runs for itself, by their defaults: what they confirm is on the disk."""

import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import psycopg
import redis

from tests.services import Server, free_port, missing, postgres, rabbitmq, rabbitmqctl


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


class Servers:
    """RabbitMQ, PostgreSQL and Redis, each started when it is first asked for."""

    def __init__(self) -> None:
        self._exits = ExitStack()
        self._folder = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        #: What has been filled, by name.
        self.filled: set[str] = set()

    def __enter__(self) -> Self:
        # An end from outside must not leave servers behind.
        signal.signal(signal.SIGTERM, _end)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._exits.close()

    @cached_property
    def rabbitmq(self) -> Server:
        """One node."""
        folder = self._folder / "rabbitmq"
        folder.mkdir()
        return self._exits.enter_context(rabbitmq(folder))

    @cached_property
    def postgres(self) -> Server:
        """One server; a commit waits for the disk."""
        return self._exits.enter_context(postgres())

    @cache  # noqa: B019  # it lives as long as the run
    def redis(self, fsync: str) -> Server:
        """One server that appends each command to a file; `fsync` is its `appendfsync`."""
        command = shutil.which("redis-server") or missing("redis-server is not installed")
        folder = self._folder / f"redis-{fsync}"
        folder.mkdir()
        port = free_port()
        options = f"--bind 127.0.0.1 --port {port} --appendonly yes --appendfsync {fsync} --dir {folder}"
        server = Server([command, *options.split(), "--save", ""], port, folder / "redis.log")
        server.start()
        self._exits.callback(server.stop)
        return server

    @contextmanager
    def redis_database(self, fsync: str) -> Iterator[str]:
        """Yield the URL of an empty Redis; what it holds then is dropped."""
        url = f"redis://127.0.0.1:{self.redis(fsync).port}/0"
        try:
            yield url
        finally:
            with redis.from_url(url) as connection:
                connection.flushall()

    @contextmanager
    def virtual_host(self) -> Iterator[str]:
        """Make an empty virtual host; yield its URL, and drop it with what it holds."""
        name = f"bench-{uuid.uuid4().hex[:8]}"
        rabbitmqctl(self.rabbitmq, "add_vhost", name)
        rabbitmqctl(self.rabbitmq, "set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        try:
            yield f"amqp://guest:guest@127.0.0.1:{self.rabbitmq.port}/{name}"
        finally:
            rabbitmqctl(self.rabbitmq, "delete_vhost", name)

    @property
    def _postgres_url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.postgres.port}"

    @contextmanager
    def database(self, like: str = "template1") -> Iterator[str]:
        """Make a database as another one is, an empty one unless said; yield its URL, and drop it."""
        name = f"bench_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(f"{self._postgres_url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}".encode())
            try:
                yield f"{self._postgres_url}/{name}"
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    @cache  # noqa: B019  # it lives as long as the run
    def kept_database(self, name: str) -> str:
        """Make an empty database that stays until the end; return its URL."""
        with psycopg.connect(f"{self._postgres_url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"{self._postgres_url}/{name}"

    @property
    def folder(self) -> Path:
        """Where files stay until the end."""
        return self._folder
