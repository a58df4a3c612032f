"""The stacks that the product runs on, each started once for all tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services import postgres_database, rabbitmq, redis
from tests.stack import Stack

STACKS = ("embedded and SQLite", "RabbitMQ and PostgreSQL", "Redis and PostgreSQL")


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Stack]]:
    """Return what runs receiver and worker on a combination of servers, from its first call until the end."""
    running: dict[str, Stack] = {}
    with ExitStack() as servers:

        def run(name: str) -> Stack:
            if name not in running:
                folder = tmp_path_factory.mktemp("stack")
                stack = servers.enter_context(Stack(folder, serve(name, folder, servers)))
                stack.release()
                stack.start("web", "worker")
                running[name] = stack
            return running[name]

        yield run


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest, stacks: Callable[[str], Stack]) -> Stack:
    """Return a running stack on one of the supported combinations of servers."""
    return stacks(request.param)


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
