"""What a server has to bear at most: however many workers tell it, and however long it was away."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus

import pytest

from tasks.sink.http import Answer, Request
from tasks.store.clock import clock
from tests.acceptance.market import Market, market
from tests.acceptance.purchases import buy
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.hastening import pass_time, ring
from tests.notified_server import DONE, NotifiedServer
from tests.waiting import wait_until

pytestmark = pytest.mark.long

CONCURRENCY = 5
HOUR = timedelta(hours=1)


class Busy(NotifiedServer):
    """A server with work to do: the more so until as many requests as allowed have come at once."""

    def __init__(self) -> None:
        super().__init__(self.think)

    async def think(self, _request: Request) -> Answer:
        """Take a while."""
        # However slow the machine is, the next request comes within it, if it may.
        await asyncio.sleep(0.1 if self.most_at_once >= CONCURRENCY else 1)
        return DONE


async def out_of_order(_request: Request) -> Answer:
    """Answer as a proxy does whose server is away."""
    return Answer(HTTPStatus.BAD_GATEWAY)


@pytest.fixture(params=COMBINATIONS[:2])
def shop(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Market]:
    """Run two processes that tell a server."""
    folder = tmp_path_factory.mktemp("shop")
    with (
        serve(request.param, folder) as environment,
        market(
            folder,
            environment | {"NOTIFY_CONCURRENCY": str(CONCURRENCY)},
            {"default": Busy()},
        ) as running,
    ):
        running.stack.start_process("notify", "-n other@%h", known_as="other")
        buy(running.stack, "alice")
        wait_until(lambda: done(running) == 1, what="the first one is told", log=running.logs)
        yield running


def done(shop: Market) -> int:
    """Return of how many changes the server has been told."""
    return [each["state"] for each in shop.notifications("default")].count("done")


def test_no_more_are_in_flight_than_allowed_however_many_workers_tell(shop: Market) -> None:
    def told() -> list[int]:
        return [shop.stack.log(name).count("notification.done") for name in ("notify", "other")]

    def both_tell() -> bool:
        # Whoever is busy keeps its places; those that are free for a moment go to either.
        sell(20, seconds=1)
        return min(told()) > 0

    def sell(count: int, seconds: float = 0) -> None:
        shop.sell(count, seconds)
        sold.append(count)

    # The fixture's.
    sold = [1]

    wait_until(lambda: "ready" in shop.stack.log("other"), what="the other one is ready", log=shop.logs)
    wait_until(both_tell, what="both tell", log=shop.logs)
    sell(100)
    server = shop.servers["default"]
    wait_until(lambda: done(shop) == sum(sold), what="all are told", log=shop.logs)
    assert server.most_at_once == CONCURRENCY
    assert sum(told()) == sum(sold)
    assert set(map(tuple, server.versions().values())) == {(1,)}


def test_a_server_that_is_away_for_an_hour_is_hardly_asked_and_then_hears_everything(shop: Market) -> None:
    server = shop.servers["default"]
    working, server.behaviour = server.behaviour, out_of_order
    before = len(server.heard)
    # Few enough to be sold before the first probe.
    shop.sell(30)
    wait_until(lambda: shop.endpoint("default")["state"] == "held", what="it is held back", log=shop.logs)
    wait_until(lambda: not in_flight(shop), what="nothing is in flight", log=shop.logs)
    # Ten failures in a row, and what was in flight by then.
    assert len(server.heard) - before < 10 + CONCURRENCY
    before, away = len(server.heard), timedelta(0)
    while away < HOUR:
        away += wait_for_probe(shop)
        if len(server.heard) == before + 5:
            shop.sell(50)
    # After 30 s, 1, 2 and 4 minutes, and then every five.
    assert len(server.heard) - before == 15
    server.behaviour, server.most_at_once = working, 0
    wait_for_probe(shop)
    # What had failed would wait for hours otherwise.
    wait_until(lambda: done(shop) == 81, what="all are told", log=shop.logs)
    assert shop.endpoint("default")["state"] == "open"
    assert server.most_at_once == CONCURRENCY
    assert len(server.versions()) == 81


def in_flight(shop: Market) -> list[object]:
    return [each for each in shop.notifications("default") if each["claimed_until"]]


def wait_for_probe(shop: Market) -> timedelta:
    """Let time pass until the server is probed; return how much it was."""
    probe_at = shop.endpoint("default")["probe_at"]
    with shop.engine.connect() as connection:
        wait: timedelta = probe_at - clock(connection)
    asked = len(shop.servers["default"].heard)
    pass_time(shop.engine, wait)
    ring(shop.operator, "default")

    def probed() -> bool:
        return (
            len(shop.servers["default"].heard) > asked
            and shop.endpoint("default")["probe_at"] != probe_at - wait
        )

    wait_until(probed, what="it is probed", log=shop.logs)
    return wait
