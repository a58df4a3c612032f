"""One search for a payment's id tells its story: what came, what was decided, who was told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.purchases import buy
from tests.acceptance.servers import Serve
from tests.notified_server import NotifiedServer
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

PROCESSES = ("web", "worker", "notify")


@pytest.fixture(params=["embedded and SQLite", "RabbitMQ and PostgreSQL"])
def stack(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("story")
    with serve(request.param, folder) as servers, NotifiedServer() as shop:
        told = {"NOTIFY_URL": shop.url, "NOTIFY_SECRET": shop.secret, "LOG_FORMAT": "json"}
        with Stack(folder, {**servers, **told}) as stack:
            stack.release()
            stack.start("web", "worker", "notify")
            yield stack


def lines(stack: Stack, payment_id: str) -> dict[str, dict[str, Any]]:
    """Return the lines of all processes that name a payment, by what they tell."""
    said = "\n".join(stack.log(name) for name in PROCESSES)
    found = [json.loads(line) for line in said.splitlines() if payment_id in line]
    return {line["event"]: line for line in found}


def told(stack: Stack, payment_id: str, *events: str) -> dict[str, dict[str, Any]]:
    """Return a payment's lines, once there are these."""
    return wait_until(
        lambda: found if set(events) <= (found := lines(stack, payment_id)).keys() else {},
        what=f"{events} of {payment_id}",
        log=lambda: "\n".join(stack.log(name) for name in PROCESSES),
    )


def test_a_search_for_the_payment_tells_its_story(stack: Stack) -> None:
    granted = buy(stack, "alice")
    story = told(stack, granted, "deliveries.accepted", "ledger.moved", "notification.done")
    (move,) = [each for each in story["ledger.moved"]["moves"] if each["payment_id"] == granted]
    assert stack.read("events", "show", str(move["event_id"]))["payment_id"] == granted
    # The worker's line and the receiver's name the same task, unless others were run with it.
    merged = "messages.merged" in stack.log("worker")
    assert merged or story["ledger.moved"]["task_id"] == story["deliveries.accepted"]["task_id"]
    assert story["notification.done"]["task_id"]

    refused = buy(stack, "mallory", "--cents", "1")
    letter = told(stack, refused, "deliveries.accepted", "dead_letter")["dead_letter"]
    assert letter["payments"] == [refused]
    assert letter["error"] == "PriceMismatch"
    assert letter["task_id"]
    (event_id,) = letter["event_ids"]
    assert stack.read("events", "show", str(event_id))["payment_id"] == refused


def test_no_line_holds_what_a_buyer_is_known_by(stack: Stack) -> None:
    payment_id = buy(
        stack, "wallet-of-alice", "--set", "data.email=alice@example.com", "--set", "data.last4=4242-9"
    )
    told(stack, payment_id, "ledger.moved", "notification.done")
    said = "\n".join(stack.log(name) for name in PROCESSES)
    for never in ("wallet-of-alice", "alice@example.com", "4242-9", stack.environment["NOTIFY_SECRET"]):
        assert never not in said
