"""The first sentence about a payment says what its buyer holds, why or why not, and what to do."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, update

from celeryconfig import broker_transport_options
from tasks.pipeline.dispatch import Delivery
from tasks.store.schema import handler_runs
from tasks.store.states import RunState
from tests.integration.commands import ctl, read
from tests.integration.pipeline import delivery, run, take_in

NEXT = "coinflowctl payments resolve pay"
OPENED, WON, LOST = (f"Card Payment Chargeback {each}" for each in ("Opened", "Won", "Lost"))


@pytest.fixture(autouse=True)
def _broker_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The commands for letters look at the broker's, too.
    monkeypatch.setitem(broker_transport_options, "path", str(tmp_path / "broker"))


def told(engine: Engine, *deliveries: Delivery, merchant_ids: Collection[str] = ()) -> str:
    """Fulfil what comes, one after the other; return the first line of its payment."""
    for each in deliveries:
        run(engine, take_in(engine, each, merchant_ids=merchant_ids))
    said = ctl("payments", "show", "pay").stdout.splitlines()[0]
    conclusion = read("payments", "show", "pay")["conclusion"]
    assert said.startswith(f"{conclusion['word']}: {conclusion['says']}")
    assert f"  {said}" in ctl("find", "alice").stdout.splitlines()
    return said


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([delivery()], ["GRANTED: alice has 1 sword."]),
        ([delivery(data__subtotal__cents=450)], ["REFUSED: 1 x sword costs 500 cents USD", "450", NEXT]),
        (
            [delivery(data__webhookInfo={"item": "swrod"})],
            ["REFUSED: The price list has no item 'swrod'.", "alice does not have it.", NEXT],
        ),
        ([delivery(data__webhookInfo={})], ["UNMATCHED: 500 cents USD are paid", "alice has nothing", NEXT]),
        (
            [delivery(event_type="Card Payment Authorized")],
            ["NOT PAID: The newest event is Card Payment Authorized", "alice has nothing"],
        ),
        (
            [delivery(), delivery(event_type=OPENED)],
            [
                "SUSPENDED: A dispute is open",
                "alice has 1 sword and cannot use it now.",
                "Next: answer",
                " by 20",
            ],
        ),
        (
            [delivery(), delivery(event_type=OPENED), delivery(event_type=WON)],
            ["GRANTED: alice has 1 sword."],
        ),
        (
            [delivery(), delivery(event_type=LOST)],
            [f"REVOKED: It was taken back by {LOST}. alice has 1 sword no more."],
        ),
    ],
)
def test_what_a_payment_comes_to_is_said_first(
    engine: Engine, events: list[Delivery], words: list[str]
) -> None:
    said = told(engine, *events)
    assert [each for each in words if each not in said] == [], said


def test_of_a_foreign_payment_both_merchants_are_named(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINFLOW_MERCHANT_IDS", "mine,ours")
    said = told(engine, delivery(data__merchantId="theirs"), merchant_ids=["mine", "ours"])
    assert said.startswith(
        "FOREIGN: Its events name merchant theirs; COINFLOW_MERCHANT_IDS accepts mine, ours."
    )
    assert "`coinflowctl events reread`" in said


def test_what_waits_for_a_worker_is_no_decision(engine: Engine) -> None:
    take_in(engine, delivery())
    said = ctl("find", "alice").stdout.splitlines()[1]
    assert said.startswith("  WAITING: 1 of its events waits for a worker, so nothing is decided yet.")
    run(engine, ["pay"])
    take_in(engine, delivery(event_type=OPENED))
    assert "1 of its events waits for a worker, which may change that." in told(engine)


def test_a_letter_that_is_given_up_or_replayed_is_no_failure(engine: Engine) -> None:
    run(engine, take_in(engine, delivery(data__subtotal__cents=450)))
    ctl("dead-letters", "discard", "1", "--yes")
    assert told(engine).startswith("REFUSED: ")
    with engine.begin() as connection:
        connection.execute(update(handler_runs).values(state=RunState.PENDING))
    assert "waits for a worker" in told(engine)


def test_a_handler_of_the_merchants_keeps_nobody_waiting(engine: Engine) -> None:
    run(engine, take_in(engine, delivery()))
    with engine.begin() as connection:
        pending = {"event_id": 1, "handler": "greet", "state": RunState.PENDING, "sent_at": datetime.now(UTC)}
        connection.execute(insert(handler_runs).values(pending))
    assert told(engine) == "GRANTED: alice has 1 sword."
