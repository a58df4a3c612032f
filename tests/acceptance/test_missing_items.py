"""Who paid and has no sword: from the buyer's name and the day, the reason in at most two commands."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.servers import Serve
from tests.operator import Operator
from tests.services import free_port
from tests.stack import Stack
from tests.terminal import Terminal
from tests.waiting import wait_until

pytestmark = pytest.mark.long

DAY = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d}"
#: What this shop sells is its own.
OURS = ("--set", "data.merchantId=mine")
#: By buyers: what Coinflow sends, and what an engineer reads then.
CAUSES = {
    "wrong-price": (
        [["Settled", "--item", "sword", "--cents", "450", *OURS]],
        "REFUSED: 1 x sword costs 500 cents USD; subtotal was 450 cents USD.",
    ),
    "unknown-item": (
        [["Settled", "--item", "sowrd", "--cents", "500", *OURS]],
        "REFUSED: The price list has no item 'sowrd'.",
    ),
    "disputing": (
        [["Settled", "--item", "sword", *OURS], ["Card Payment Chargeback Opened", *OURS]],
        "SUSPENDED: A dispute is open; answer it in Coinflow's dashboard. disputing has 1 sword and cannot",
    ),
    "foreigner": (
        [["Settled", "--item", "sword", "--set", "data.merchantId=theirs"]],
        "FOREIGN: Its events name merchant theirs; COINFLOW_MERCHANT_IDS accepts mine.",
    ),
    "nameless-item": (
        [["Settled", "--set", "data.webhookInfo={}", *OURS]],
        "UNMATCHED: 500 cents USD are paid, and no event names the item. nameless-item has nothing of it.",
    ),
    "authorized": (
        [["Card Payment Authorized", *OURS]],
        "NOT PAID: The newest event is Card Payment Authorized, and no event says that the merchant has",
    ),
    # She is Alice.
    "alcie-b": ([["Settled", "--item", "sword", *OURS]], "GRANTED: alcie-b has 1 sword."),
}


@pytest.fixture(scope="module", params=["embedded and SQLite", "RabbitMQ and PostgreSQL"])
def stack(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Return a running stack to which all of it has come."""
    folder = tmp_path_factory.mktemp("missing")
    with (
        serve(request.param, folder) as servers,
        Stack(folder, {**servers, "COINFLOW_MERCHANT_IDS": "mine"}) as stack,
    ):
        stack.release()
        stack.start("web", "worker")
        for buyer, (events, _) in CAUSES.items():
            for event in events:
                stack.trigger(*event, "--wallet", buyer, "--payment-id", f"of-{buyer}")
        yield stack


@pytest.fixture(scope="module")
def engineer(stack: Stack) -> Iterator[Operator]:
    with Operator(stack) as engineer:
        yield engineer


@pytest.mark.parametrize("buyer", CAUSES)
def test_one_command_tells_the_reason(engineer: Operator, buyer: str) -> None:
    wanted = CAUSES[buyer][1]
    wait_until(lambda: wanted in engineer.type("find", buyer, "--since", DAY).stdout, what=wanted)
    heading, said = engineer.type("find", buyer, "--since", DAY).stdout.splitlines()
    assert heading.startswith(f"of-{buyer}  ")
    # The story says the same, first.
    assert engineer.type("payments", "show", f"of-{buyer}").stdout.startswith(said.strip())


def test_who_misspelt_the_wallet_is_found_by_two(engineer: Operator) -> None:
    said = engineer.type("find", "alice-b", "--since", DAY).stdout
    (meant,) = re.findall(r"Did you mean (\S+)\?", said)
    wanted = CAUSES["alcie-b"][1]
    wait_until(lambda: wanted in engineer.type("find", meant, "--since", DAY).stdout, what=wanted)


def test_of_what_never_arrived_it_is_told_that_nothing_waits(engineer: Operator) -> None:
    wait_until(
        lambda: "queue events: 0 " in engineer.type("find", "never", "--since", DAY).stderr,
        what="all has been taken",
    )
    said = engineer.type("find", "never", "--since", DAY)
    assert said.stdout.startswith("No event names never")
    assert "The last event that was stored is " in said.stderr
    assert re.search(r"^ok +workers: 1 worker: ", said.stderr, re.MULTILINE), said.stderr


def test_a_database_that_is_down_is_named(stack: Stack) -> None:
    environment = stack.environment | {"DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/shop"}
    with Terminal(stack.folder / "app", environment) as engineer:
        said = engineer.type("find", "anybody", "--since", DAY)
    assert said.exit_code == 1
    assert "The database cannot be used." in said.stderr
    assert "Check DATABASE_URL." in said.stderr


def test_a_worker_that_is_stopped_is_told_with_what_waits_for_it(stack: Stack, engineer: Operator) -> None:
    # The last test: nothing takes what comes from now on.
    stack.kill("worker")
    stack.trigger("Settled", "--item", "sword", "--wallet", "waiting", *OURS)
    wait_until(
        lambda: "no worker answers" in engineer.type("find", "waiting", "--since", DAY).stderr,
        what="the broker knows that the worker is gone",
    )
    said = engineer.type("find", "waiting", "--since", DAY)
    assert said.stdout.startswith("No event names waiting")
    assert "FAULT    queue events: 1 " in said.stderr
    assert engineer.type("doctor").exit_code == 1
