"""Several applications on one broker: with names of their own, and without."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from tests.acceptance.purchases import buy, granted
from tests.operator import Operator
from tests.services import rabbitmq, rabbitmqctl, redis
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

#: A handler that is tried again a second later, which RabbitMQ delays.
_HANDLERS = """
from tasks.merchant import Event, TransientError, on
from pathlib import Path
from typing import Any

@on("Settled")
def tell(event: Event[Any]) -> None:
    told = Path("told")
    if not told.exists():
        told.write_text("once")
        raise TransientError("Not yet.")
    told.write_text("twice")
"""


@contextmanager
def _broker(name: str, folder: Path) -> Iterator[tuple[str, Callable[[], Collection[str]]]]:
    """Run a broker; yield its address, and what returns the names that lie in it."""
    folder.mkdir()
    if name == "rabbitmq":
        with rabbitmq(folder) as node:

            def names() -> Collection[str]:
                listed = rabbitmqctl(node, "list_queues", "name") + rabbitmqctl(
                    node, "list_exchanges", "name"
                )
                return {each for each in listed.split() if each != "name" and not each.startswith("amq.")}

            yield f"amqp://guest:guest@127.0.0.1:{node.port}//", names
    else:
        with redis(folder) as server, Redis(port=server.port) as client:
            yield (
                f"redis://127.0.0.1:{server.port}/0",
                lambda: {each.decode() for each in [*client.keys(), *client.pubsub_channels()]},
            )


def _application(exits: ExitStack, folder: Path, key: str, **environment: str) -> Stack:
    folder.mkdir()
    stack = exits.enter_context(Stack(folder, {"COINFLOW_VALIDATION_KEY": key, **environment}))
    stack.release()
    return stack


@pytest.mark.parametrize("name", ["rabbitmq", "redis"])
def test_applications_with_a_prefix_meet_nowhere(tmp_path: Path, name: str) -> None:
    with ExitStack() as exits:
        url, names = exits.enter_context(_broker(name, tmp_path / "broker"))
        stacks = []
        for prefix in ("shop-a", "shop-b"):
            stack = _application(exits, tmp_path / prefix, prefix, BROKER_URL=url, BROKER_PREFIX=prefix)
            stack.write_handlers(_HANDLERS)
            stack.start("web", "worker")
            stacks.append(stack)
        for stack in stacks:
            buy(stack, "alice")
        for stack in stacks:
            assert len(granted(stack, "alice")) == 1
            wait_until(partial(_is_told, stack), what="a second try, later", log=partial(stack.log, "worker"))
            assert len(stack.read("events", "list")) == 1
        found = names()
        assert {each for each in found if not each.startswith(("shop-a", "shop-b"))} == set()
        for prefix in ("shop-a", "shop-b"):
            assert any(each.startswith(prefix) for each in found)


def _is_told(stack: Stack) -> bool:
    told = stack.folder / "app" / "told"
    return told.exists() and told.read_text() == "twice"


@pytest.mark.parametrize("name", ["rabbitmq", "redis"])
def test_what_another_application_sent_is_set_aside_and_goes_home(tmp_path: Path, name: str) -> None:
    with ExitStack() as exits:
        url, _ = exits.enter_context(_broker(name, tmp_path / "broker"))
        ours = _application(exits, tmp_path / "ours", "key-a,next-key-a", BROKER_URL=url)
        theirs = _application(exits, tmp_path / "theirs", "key-b", BROKER_URL=url)
        ours.start("web", "worker")
        theirs.start("web")
        buy(theirs, "bob")
        buy(ours, "alice")
        granted(ours, "alice")
        with Operator(ours) as operator:
            (letter,) = wait_until(lambda: operator("list"), what="it is set aside")
            assert letter["error"] == "AnotherApplication"
            assert "which alone can replay it" in operator("replay", letter["id"], exit_code=1)
        assert [each["payment_id"] for each in ours.read("events", "list")] != [letter["payment_id"]]
        assert ours.wallet("bob") == []
        # Later each has a prefix.
        theirs.environment["BROKER_PREFIX"] = "shop-b"
        theirs.start("worker")
        with Operator(theirs) as operator:
            (found,) = operator("list")
            assert (found["id"][0], found["payment_id"]) == ("b", letter["payment_id"])
            operator("replay", found["id"])
        assert len(granted(theirs, "bob")) == 1
