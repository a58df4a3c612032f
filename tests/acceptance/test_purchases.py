"""A settled purchase reaches the wallet, on every supported combination of servers."""

import uuid
from typing import Any

import pytest

from tests.acceptance.purchases import buy, granted
from tests.stack import Stack
from tests.waiting import wait_until


def settled(stack: Stack, payment_id: str) -> Any:
    """Wait until every event of a payment is handled or dead."""

    def finished() -> Any:
        payment = stack.read("payments", "show", payment_id)
        return payment if all(event["state"] != "pending" for event in payment["events"]) else None

    def stored() -> bool:
        return bool(stack.read("events", "list", "--payment-id", payment_id))

    wait_until(stored, what="the event is stored")
    return wait_until(finished, what="the event is finished")


@pytest.fixture
def wallet() -> str:
    return f"wallet-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("api_version", ["2", "3"])
def test_a_settled_purchase_is_granted(stack: Stack, wallet: str, api_version: str) -> None:
    payment_id = buy(stack, wallet, "--api-version", api_version)
    assert granted(stack, wallet) == [
        {"item": "sword", "quantity": 1, "status": "granted", "payment_id": payment_id}
    ]


def test_200_copies_20_at_a_time_grant_one_sword(stack: Stack, wallet: str) -> None:
    sent = stack.trigger(
        "Settled", "--item", "sword", "--wallet", wallet, "--times", "200", "--concurrency", "20"
    )
    assert sent["answers"] == {"200": 200}
    granted(stack, wallet)
    payment = settled(stack, sent["payment_id"])
    assert len(payment["events"]) == 1
    assert [entry["delta"] for entry in payment["ledger_entries"]] == [1]
    assert len(stack.wallet(wallet)) == 1


def test_two_payments_for_one_item_are_two_grants(stack: Stack, wallet: str) -> None:
    for _ in range(2):
        buy(stack, wallet)
    assert [grant["item"] for grant in granted(stack, wallet, 2)] == ["sword", "sword"]


def test_quantity_three_at_three_times_the_price_grants_three(stack: Stack, wallet: str) -> None:
    buy(stack, wallet, "--quantity", "3", "--cents", "1500")
    assert [grant["quantity"] for grant in granted(stack, wallet)] == [3]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--cents", "499"], "PriceMismatch"),
        (["--quantity", "3", "--cents", "500"], "PriceMismatch"),
        (["--item", "excalibur"], "ItemUnknown"),
        (["--quantity", "0"], "QuantityInvalid"),
        (["--quantity", "-1"], "QuantityInvalid"),
        (["--quantity", "1.5"], "QuantityInvalid"),
        (["--quantity", "true"], "QuantityInvalid"),
        (["--quantity", "2x"], "QuantityInvalid"),
        (["--set", "data.subtotal.currency=EUR"], "PriceMismatch"),
        (["--set", "data.webhookInfo.item=7"], "ItemUnknown"),
        (["--set", "data.webhookInfo.item=true"], "ItemMissing"),
        (["--set", "data.subtotal.cents=five"], "PayloadInvalid"),
    ],
)
def test_what_cannot_be_granted_is_a_dead_letter(
    stack: Stack, wallet: str, options: list[str], error: str
) -> None:
    payment = settled(stack, buy(stack, wallet, *options))
    assert [letter["error"] for letter in payment["dead_letters"]] == [error]
    assert payment["dead_letters"][0]["message"]
    assert payment["ledger_entries"] == []
    assert payment["state"] == "refused"
    assert payment["notes"][0]["reason"] == "refused"
    assert stack.wallet(wallet) == []


def test_an_unknown_event_type_is_stored_and_done(stack: Stack) -> None:
    stack.trigger("Some Future Event")

    def stored() -> Any:
        return stack.read("events", "list", "--type", "Some Future Event")

    (event,) = wait_until(stored, what="the event is stored")
    assert event["state"] == "handled"
