"""The stacks that the product runs on, each started once for all tests."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services import postgres_database, rabbitmq, redis
from tests.stack import Stack

STACKS = ("embedded and SQLite", "RabbitMQ and PostgreSQL", "Redis and PostgreSQL")


@pytest.fixture(scope="session", params=STACKS)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run receiver and worker on one of the supported combinations of servers."""
    folder = tmp_path_factory.mktemp("stack")
    with ExitStack() as servers:
        environment = serve(request.param, folder, servers)
        running = servers.enter_context(Stack(folder, environment))
        running.release()
        running.start("web", "worker")
        yield running


def serve(name: str, folder: Path, servers: ExitStack) -> dict[str, str]:
    """Run the servers of a combination; return the environment that names them."""
    environment = {}
    if name.endswith("PostgreSQL"):
        environment["DATABASE_URL"] = servers.enter_context(postgres_database())
    if name.startswith("RabbitMQ"):
        environment["BROKER_URL"] = (
            f"amqp://guest:guest@127.0.0.1:{servers.enter_context(rabbitmq(folder)).port}//"
        )
    if name.startswith("Redis"):
        environment["BROKER_URL"] = f"redis://127.0.0.1:{servers.enter_context(redis(folder)).port}/0"
    return environment
