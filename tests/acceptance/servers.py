"""The supported combinations of broker and database, and what runs them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from tests.services import SharedRabbitMQ, postgres_database, redis

COMBINATIONS = ("embedded and SQLite", "RabbitMQ and PostgreSQL", "Redis and PostgreSQL")

#: Runs the servers of a combination with their data in a folder; yields the environment that names them.
Serve = Callable[[str, Path], AbstractContextManager[dict[str, str]]]


def serving(shared_rabbitmq: SharedRabbitMQ) -> Serve:
    """Return what runs the servers of a combination."""

    @contextmanager
    def serve(name: str, folder: Path) -> Iterator[dict[str, str]]:
        environment = {}
        with ExitStack() as servers:
            if name.endswith("PostgreSQL"):
                environment["DATABASE_URL"] = servers.enter_context(postgres_database())
            if name.startswith("RabbitMQ"):
                environment["BROKER_URL"] = shared_rabbitmq.virtual_host().url
            if name.startswith("Redis"):
                port = servers.enter_context(redis(folder)).port
                environment["BROKER_URL"] = f"redis://127.0.0.1:{port}/0"
            yield environment

    return serve
