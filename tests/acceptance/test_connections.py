"""How many connections to its broker the product takes, and what it does when it gets no more."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from redis import Redis

from tests.acceptance.purchases import buy, granted
from tests.services import Server, rabbitmq, rabbitmqctl, redis
from tests.sockets import connections
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

_PROCESSES = ("web", "worker", "notify", "beat", "flower")
#: Functions of the merchant's, so that every child of the worker's publishes; and `notify` has two endpoints,
#: so that it does, too.
_HANDLERS = """
from tasks.merchant import Event, GrantChange, on, on_grant_change
from typing import Any

@on("Settled")
def tell(event: Event[Any]) -> None:
    pass

@on_grant_change
def shop(change: GrantChange) -> None:
    pass

@on_grant_change
def crm(change: GrantChange) -> None:
    pass
"""


@contextmanager
def _broker(name: str, folder: Path) -> Iterator[tuple[Server, str]]:
    with (rabbitmq if name == "rabbitmq" else redis)(folder) as server:
        scheme = "amqp://guest:guest@" if name == "rabbitmq" else "redis://"
        yield server, f"{scheme}127.0.0.1:{server.port}"


def _documented(broker: str) -> dict[str, int]:
    """Return the connections of each process, as the reference says them."""
    text = (ROOT / "docs/reference/processes-and-queues.md").read_text()
    section = text.partition("## Connections\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)`[^|\n]* \| (\d+) \| (\d+) \|", section, re.MULTILINE)
    return {process: int(counts[broker == "redis"]) for process, *counts in rows}


@pytest.mark.parametrize("name", ["rabbitmq", "redis"])
def test_a_process_takes_as_many_connections_as_the_reference_says(tmp_path: Path, name: str) -> None:
    with ExitStack() as exits:
        server, url = exits.enter_context(_broker(name, tmp_path))
        stack = exits.enter_context(Stack(tmp_path, {"BROKER_URL": url, "WEB_CONCURRENCY": "2"}))
        stack.write_handlers(_HANDLERS)
        stack.release()
        stack.start(*_PROCESSES)
        most = dict.fromkeys(_PROCESSES, 0)

        def count() -> None:
            for each in _PROCESSES:
                most[each] = max(most[each], connections(stack.processes[each].pid, server.port))

        def is_reached() -> bool:
            stack.trigger("Settled", "--item", "sword", "--times", "20", "--concurrency", "8")
            count()
            return most == expected

        documented = _documented(name)
        expected = {
            **{each: documented[each] for each in _PROCESSES},
            "web": 2 * documented["web"],
            "worker": documented["worker"] + 4 * documented["child"],
        }
        wait_until(is_reached, what=f"the connections are {expected}", log=lambda: str(most))


@pytest.mark.parametrize("name", ["rabbitmq", "redis"])
def test_who_gets_no_connection_says_which_limit_it_met_and_goes_on(tmp_path: Path, name: str) -> None:
    with ExitStack() as exits:
        server, url = exits.enter_context(_broker(name, tmp_path))
        stack = exits.enter_context(Stack(tmp_path, {"BROKER_URL": url}))
        stack.release()
        free = exits.enter_context(_occupied(name, server, url))
        for each in _PROCESSES:
            stack.start_process(each)
        limit = "connection limit" if name == "rabbitmq" else "max number of clients"
        wait_until(lambda: stack.get("/healthz") == 200, what="the receiver lives")
        buy(stack, "refused", status="503")
        for each in ("web", "worker", "notify", "flower"):
            log = partial(stack.log, each)
            wait_until(partial(_is_in, limit, log), what=f"{each} names the limit", log=log)
            assert "Traceback" not in log()
        free()
        wait_until(lambda: stack.get("/readyz") == 200, what="the receiver is ready")
        buy(stack, "taken")
        granted(stack, "taken")
        assert {each: stack.processes[each].poll() for each in _PROCESSES} == dict.fromkeys(_PROCESSES)


def _is_in(text: str, log: Callable[[], str]) -> bool:
    return text in log()


@contextmanager
def _occupied(name: str, server: Server, url: str) -> Iterator[Callable[[], Any]]:
    """Let nobody else in; yield what lets them in again."""
    if name == "rabbitmq":
        with Connection(url) as connection:
            connection.connect()
            rabbitmqctl(server, "set_vhost_limits", "-p", "/", '{"max-connections": 1}')
            yield lambda: rabbitmqctl(server, "clear_vhost_limits", "-p", "/")
    else:
        with Redis(port=server.port) as client:
            client.config_set("maxclients", 1)
            yield lambda: client.config_set("maxclients", 1000)
