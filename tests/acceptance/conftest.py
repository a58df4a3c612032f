"""The stacks that the product runs on, each started once for all tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.acceptance.servers import COMBINATIONS, Serve, serving
from tests.services import SharedRabbitMQ
from tests.stack import Stack


@pytest.fixture(scope="session")
def serve(shared_rabbitmq: SharedRabbitMQ) -> Serve:
    """Return what runs the servers of a combination."""
    return serving(shared_rabbitmq)


@pytest.fixture(scope="session")
def stacks(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Stack]]:
    """Return what runs receiver and worker on a combination of servers, from its first call until the end."""
    running: dict[str, Stack] = {}
    with ExitStack() as exits:

        def run(name: str) -> Stack:
            if name not in running:
                folder = tmp_path_factory.mktemp("stack")
                environment = exits.enter_context(serve(name, folder))
                stack = exits.enter_context(Stack(folder, environment))
                stack.release()
                stack.start("web", "worker")
                running[name] = stack
            return running[name]

        yield run


@pytest.fixture(params=COMBINATIONS)
def stack(request: pytest.FixtureRequest, stacks: Callable[[str], Stack]) -> Stack:
    """Return a running stack on one of the supported combinations of servers."""
    return stacks(request.param)
