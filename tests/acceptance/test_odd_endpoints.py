"""Servers that never answer, refuse, or want nothing any more: each is shown so, and harms nobody else."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus

import pytest

from tasks.sink.http import Answer, Request
from tests.acceptance.market import Market, market
from tests.acceptance.purchases import buy
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.chaos.result import slowest_grant
from tests.notified_server import NotifiedServer
from tests.waiting import wait_until

pytestmark = pytest.mark.long

#: At each server, over all workers.
CONCURRENCY = 5


async def never(_request: Request) -> Answer:
    """Keep whoever asks waiting."""
    await asyncio.Event().wait()
    raise AssertionError


async def gone(_request: Request) -> Answer:
    return Answer(HTTPStatus.GONE, "This shop has closed.")


@pytest.fixture(scope="module", params=COMBINATIONS[:2])
def odd(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Market]:
    folder = tmp_path_factory.mktemp("odd")
    servers = {
        "default": NotifiedServer(),
        "gone": NotifiedServer(gone),
        "slow": NotifiedServer(never),
        "strict": NotifiedServer(),
    }
    servers["strict"].forget_secret()
    with (
        serve(request.param, folder) as environment,
        market(folder, environment | {"NOTIFY_CONCURRENCY": str(CONCURRENCY)}, servers) as running,
    ):
        running.wait_for("default", buy(running.stack, "alice"), 1)
        yield running


def logged(odd: Market, event: str, endpoint: str) -> list[dict[str, object]]:
    """Return what `notify` has logged of an endpoint."""
    lines = [json.loads(line) for line in odd.stack.log("notify").splitlines() if line.startswith("{")]
    return [line for line in lines if (line["event"], line.get("endpoint")) == (event, endpoint)]


def test_a_server_that_never_answers_slows_neither_fulfilment_nor_the_others(odd: Market) -> None:
    began, before = datetime.now(UTC), len(odd.servers["default"].heard)
    odd.sell(60)
    wait_until(
        lambda: len(odd.servers["default"].heard) >= before + 60, seconds=20, what="60 are told", log=odd.logs
    )
    # Seconds: less than one try at the slow one takes.
    assert slowest_grant(odd.engine, began) < 8
    assert odd.states("slow") == {"pending"}
    assert odd.servers["slow"].most_at_once == CONCURRENCY
    wait_until(lambda: logged(odd, "notification.failed", "slow"), what="the first time-out", log=odd.logs)
    (reason,) = {line["reason"] for line in logged(odd, "notification.failed", "slow")}
    assert str(reason).startswith("time-out after 10 s")


def test_a_server_that_says_410_is_told_nothing_more_until_a_person_says_so(odd: Market) -> None:
    wait_until(lambda: odd.endpoint("gone")["state"] == "paused", what="it is paused", log=odd.logs)
    (line,) = logged(odd, "endpoint.paused", "gone")
    assert (line["level"], line["next_step"]) == ("error", "coinflowctl endpoints resume gone")
    assert odd.endpoint("gone")["paused_by"] is None
    assert "410 Gone" in odd.endpoint("gone")["reason"]
    asked = len(odd.servers["gone"].heard)
    assert 1 <= asked <= CONCURRENCY
    payment_id = buy(odd.stack, "alice")
    odd.hasten("gone")
    odd.wait_for("default", payment_id, 1)
    assert len(odd.servers["gone"].heard) == asked
    assert odd.states("gone") == {"pending"}


def test_a_server_that_has_another_secret_refuses_and_is_shown_so(odd: Market) -> None:
    payment_id = buy(odd.stack, "alice")
    wait_until(lambda: odd.why("strict", payment_id), what="it has refused", log=odd.logs)
    (notification,) = odd.notifications("strict", payment_id)
    assert (notification["state"], notification["last_outcome"], notification["last_status"]) == (
        "pending",
        "refused",
        401,
    )
    hint = "does the server verify with a secret of NOTIFY_SECRET?"
    assert hint in notification["last_error"]
    assert hint in str(logged(odd, "notification.failed", "strict")[0]["reason"])
    assert odd.servers["strict"].heard == []
    # It is there: nobody holds it back.
    assert odd.endpoint("strict")["state"] == "open"
