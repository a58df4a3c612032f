"""Payments that name no item, matched by an operator on the command line."""

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.integration.commands import ctl, read
from tests.integration.pipeline import delivery, run, take_in

PAYIN = "Crypto Payin Funds Received"


def paid(engine: Engine, **changes: Any) -> None:
    take_in(engine, delivery("pay", event_type=PAYIN, **changes))
    run(engine, ["pay"])


def test_an_unmatched_payment_is_listed_until_an_event_names_its_item(engine: Engine) -> None:
    paid(engine)
    (listed,) = read("payments", "list", "--state", "unmatched")
    assert (listed["payment_id"], listed["wallet"], listed["cents"]) == ("pay", "alice", 500)
    assert read("wallets", "show", "alice")["items"] == []
    take_in(engine, delivery("pay", event_type="Crypto Overpayment"))
    run(engine, ["pay"])
    assert read("payments", "list", "--state", "unmatched") == []
    assert [item["status"] for item in read("wallets", "show", "alice")["items"]] == ["granted"]


@pytest.mark.parametrize("wallet", [None, "bob"])
def test_a_match_by_hand_grants_at_once_and_for_good(engine: Engine, wallet: str | None) -> None:
    paid(engine)
    options = ["--wallet", wallet] if wallet else []
    assert read("payments", "match", "pay", "--item", "sword", *options)["grants"] == [
        {"wallet": wallet or "alice", "item": "sword", "quantity": 1, "status": "granted"}
    ]
    # What an event says later changes nothing, and a refund still counts.
    take_in(engine, delivery("pay", event_type="Crypto Overpayment", data__webhookInfo={"item": "shield"}))
    run(engine, ["pay"])
    story = read("payments", "show", "pay")
    assert (story["state"], story["matches"][0]["item"]) == ("granted", "sword")
    assert [(grant["item"], grant["wallet"]) for grant in story["grants"]] == [("sword", wallet or "alice")]
    take_in(engine, delivery("pay", event_type="Refund"))
    run(engine, ["pay"])
    assert [grant["status"] for grant in read("payments", "show", "pay")["grants"]] == ["revoked"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--item", "excalibur"], "no item 'excalibur'"),
        (["--item", "shield"], "costs 750 cents"),
        (["--item", "sword", "--quantity", "2"], "costs 1000 cents"),
    ],
)
def test_a_match_that_the_price_list_refuses_changes_nothing(
    engine: Engine, options: list[str], complaint: str
) -> None:
    paid(engine)
    refused = ctl("payments", "match", "pay", *options)
    assert refused.exit_code == 1
    assert complaint in refused.output
    assert "Traceback" not in refused.output
    story = read("payments", "show", "pay")
    assert (story["state"], story["matches"], story["dead_letters"]) == ("unmatched", [], [])


def test_a_payment_without_a_customer_is_matched_with_a_wallet(engine: Engine) -> None:
    paid(engine, data__customerId=None)
    assert "wallet" in ctl("payments", "match", "pay", "--item", "sword").output
    assert read("payments", "match", "pay", "--item", "sword", "--wallet", "carol")["grants"]


def test_only_an_unmatched_payment_is_matched(engine: Engine) -> None:
    take_in(engine, delivery("pay"))
    run(engine, ["pay"])
    for payment_id, state in (("pay", "granted"), ("nobody's", "unknown")):
        refused = ctl("payments", "match", payment_id, "--item", "sword")
        assert refused.exit_code == 1
        assert f"Payment {payment_id} is {state}" in refused.output


def test_the_story_of_a_payment_is_told_in_order(engine: Engine) -> None:
    words = [
        "Card Payment Authorized",
        "Settled",
        "Card Payment Chargeback Opened",
        "Card Payment Chargeback Won",
    ]
    for number, event_type in enumerate([*words, "Refund"]):
        take_in(engine, delivery("pay", event_type=event_type, created=f"2026-09-0{number + 1}T00:00:00Z"))
        run(engine, ["pay"])
    story = read("payments", "show", "pay")
    assert [(event["event_type"], event["payment_state"], event["state"]) for event in story["events"]] == [
        ("Card Payment Authorized", "nothing", "handled"),
        ("Settled", "granted", "handled"),
        ("Card Payment Chargeback Opened", "suspended", "handled"),
        ("Card Payment Chargeback Won", "granted", "handled"),
        ("Refund", "revoked", "handled"),
    ]
    assert [(entry["cause"], entry["delta"], entry["status"]) for entry in story["ledger_entries"]] == [
        ("Settled", 1, "granted"),
        ("Card Payment Chargeback Opened", -1, "suspended"),
        ("Card Payment Chargeback Won", 1, "granted"),
        ("Refund", -1, "revoked"),
    ]
    assert (story["state"], story["refunded_cents"], story["cents"]) == ("revoked", 500, 500)
    told = ctl("payments", "show", "pay").output
    assert told.startswith("REVOKED: ")
    assert "500 of 500 cents" in told


def test_a_partial_refund_is_noted(engine: Engine) -> None:
    partial = {"subtotal": {"cents": 200, "currency": "USD"}}
    take_in(engine, delivery("pay"), delivery("pay", event_type="Refund", data__totals=partial))
    run(engine, ["pay"])
    (listed,) = read("payments", "list")
    assert (listed["state"], listed["refunded_cents"], listed["price_list_id"]) == ("granted", 200, 1)
