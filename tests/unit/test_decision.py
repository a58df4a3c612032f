"""The readings that `tasks.payments` chose, one by one; then any life in any order."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.event import read_event, read_packet
from tasks.coinflow.samples import sample, with_identity
from tasks.errors import ItemMissing, QuantityInvalid, WalletInvalid
from tasks.payments.decision import Decision, DecisionStatus, decide
from tasks.payments.facts import Statement, state
from tasks.payments.purchase import Match
from tests.lives import Packet, deliveries, live

PAYIN = "Crypto Payin Funds Received"
OPENED, WON, LOST = (f"Card Payment Chargeback {word}" for word in ("Opened", "Won", "Lost"))


def read(packet: Packet) -> Statement:
    event = read_event(read_packet(json.dumps(packet)))
    assert event is not None
    return state(event)


def story(*words: str | tuple[str, dict[str, Any]], cents: int = 500) -> list[Statement]:
    """Return events, a second apart in the order given."""
    events = []
    for number, word in enumerate(words):
        name, data = (word, {}) if isinstance(word, str) else word
        packet = sample(name)
        with_identity(packet, payment_id="pay", wallet="alice", item="sword", cents=cents)
        packet["created"] = (datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=number)).isoformat()
        packet["data"].update(data)
        events.append(read(packet))
    return events


def refund(name: str, cents: int, status: str = "Settled", **data: Any) -> tuple[str, dict[str, Any]]:
    return (name, {"totals": {"subtotal": {"cents": cents, **data}}, "status": status})


def status(*words: str | tuple[str, dict[str, Any]]) -> str:
    return decide(story(*words)).status


def refunded(*words: tuple[str, dict[str, Any]]) -> int:
    return decide(story("Settled", *words)).refunded_cents


def test_nothing_has_come() -> None:
    assert decide([]) == Decision()


@pytest.mark.parametrize("event_type", ["Settled", "USDC Payment Received"])
def test_a_paying_event_grants_what_it_names(event_type: str) -> None:
    decision = decide(story("Card Payment Authorized", event_type))
    assert decision.status == "granted"
    assert decision.purchase
    assert (decision.purchase.item, decision.purchase.wallet) == ("sword", "alice")
    assert decision.cause == decision.paid


@pytest.mark.parametrize(
    "event_type", ["Card Payment Authorized", "ACH Success", "Credits Minted", OPENED, LOST, "Refund"]
)
def test_nothing_else_pays(event_type: str) -> None:
    assert decide(story(event_type)) == Decision()


@pytest.mark.parametrize("event_type", ["Card Payment Voided", "ACH Failed", "Payment Expiration"])
def test_what_closes_an_attempt_takes_nothing_from_what_settled(event_type: str) -> None:
    assert status("Settled", event_type) == "granted"


def test_settled_goes_before_other_words_and_the_earliest_before_later_ones() -> None:
    events = story("USDC Payment Received", "Settled", ("Settled", {"subtotal": {"cents": 1}}))
    assert decide(events).paid == events[1]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    ("event_type", "expected"),
    [
        (OPENED, "suspended"),
        (WON, "granted"),
        (LOST, "revoked"),
        ("ACH Returned", "revoked"),
        ("ACH Chargeback", "suspended"),
    ],
)
def test_a_dispute_counts_before_and_after_the_payment(
    event_type: str, expected: str, order: Sequence[int]
) -> None:
    words = ("Settled", event_type)
    assert status(*(words[place] for place in order)) == expected


def test_disputes_are_paired_by_their_id() -> None:
    first, second = {"chargebackId": "1"}, {"chargebackId": "2"}
    assert status("Settled", (OPENED, first), (WON, first)) == "granted"
    assert status("Settled", (WON, first), (OPENED, first)) == "granted"
    assert status("Settled", (OPENED, first), (OPENED, second), (WON, first)) == "suspended"
    assert status("Settled", (OPENED, first), (WON, first), (OPENED, second), (LOST, second)) == "revoked"
    assert status("Settled", (OPENED, first), (LOST, first), (WON, first)) == "revoked"


def test_disputes_without_an_id_are_one() -> None:
    nameless = {"chargebackId": None}
    assert status("Settled", (OPENED, nameless), (WON, nameless)) == "granted"
    assert status("Settled", (OPENED, nameless), (WON, {"chargebackId": "1"})) == "suspended"


def test_an_underpayment_holds_back_until_settled() -> None:
    assert status("Crypto Underpayment", PAYIN) == "suspended"
    assert status("Crypto Underpayment", PAYIN, "Settled") == "granted"


def test_the_cause_is_what_brought_the_status_about() -> None:
    events = story("Settled", OPENED, WON, refund("Refund", 100), LOST)
    causes = [decide(events[:count]).cause for count in range(1, 6)]
    assert causes == [events[0], events[1], events[2], events[2], events[4]]
    whole = story(
        "Settled", refund("Refund", 500, "Pending"), refund("Refund", 500), refund("Refund Returned", 500)
    )
    assert [decide(whole[:count]).cause for count in range(1, 5)] == [whole[0], whole[0], whole[2], whole[3]]


class TestRefunds:
    def test_one_refund_speaks_several_times(self) -> None:
        words = [
            refund("Refund", 200, "Pending"),
            refund("Refund", 200, "Invoiced"),
            refund("Refund", 200),
            refund("Refund Complete", 200),
        ]
        assert [refunded(*words[:count]) for count in range(5)] == [0, 0, 0, 200, 200]

    def test_two_of_one_amount_are_two(self) -> None:
        assert refunded(*[refund("Refund", 200), refund("Refund Complete", 200)] * 2) == 400

    def test_those_that_reach_the_price_revoke(self) -> None:
        assert status("Settled", refund("Refund", 200), refund("Refund", 299)) == "granted"
        assert status("Settled", refund("Refund", 200), refund("Refund", 300)) == "revoked"
        assert status(refund("Refund", 500), "Settled") == "revoked"

    @pytest.mark.parametrize(
        "end",
        [refund("Refund Failure", 500), refund("Refund Returned", 500), refund("Refund", 500, "Failed")],
    )
    def test_an_undone_one_restores(self, end: tuple[str, dict[str, Any]]) -> None:
        assert status("Settled", refund("Refund", 500), refund("Refund Complete", 500), end) == "granted"

    def test_a_failure_is_of_one_that_has_not_completed_where_there_is_one(self) -> None:
        begun, done, failed = (
            refund("Refund", 200, "Pending"),
            refund("Refund", 200),
            refund("Refund Failure", 200),
        )
        assert refunded(begun, done, failed) == 0
        assert refunded(begun, begun, done, failed) == 200

    def test_an_end_in_other_words_is_the_same_end(self) -> None:
        twice = [refund("Refund", 200), refund("Refund", 200)]
        assert refunded(*twice, refund("Refund", 200, "Failed"), refund("Refund Failure", 200)) == 200
        assert refunded(*twice, refund("Refund Failure", 200), refund("Refund Failure", 200)) == 0

    def test_a_new_try_after_a_failure_counts(self) -> None:
        assert (
            refunded(
                refund("Refund", 200, "Pending"),
                refund("Refund Failure", 200),
                refund("Refund", 200, "Pending"),
                refund("Refund Complete", 200),
            )
            == 200
        )

    def test_a_refund_with_an_id_is_one_whatever_it_says(self) -> None:
        named = [
            (name, {**data, "refundId": "r"})
            for name, data in [refund("Refund", 200), refund("Refund", 200), refund("Refund Complete", 200)]
        ]
        assert refunded(*named) == 200
        assert refunded(*named, ("Refund Returned", {**refund("Refund", 200)[1], "refundId": "r"})) == 0

    def test_another_currency_is_not_counted(self) -> None:
        euros = ("Settled", {"subtotal": {"cents": 500, "currency": "EUR"}})
        assert decide(story(euros, refund("Refund", 500, currency="USD"))).refunded_cents == 0
        assert decide(story(euros, refund("Refund", 500, currency="EUR"))).status == "revoked"
        assert decide(story("Settled", refund("Refund", 500, currency="EUR"))).status == "revoked"


class TestWhatWasBought:
    def test_a_payin_is_unmatched_until_an_event_names_the_item(self) -> None:
        assert status(PAYIN) == "unmatched"
        decision = decide(story(PAYIN, "Crypto Overpayment"))
        assert decision.status == "granted"
        assert decision.purchase
        assert (decision.purchase.item, decision.purchase.price.cents) == ("sword", 500)

    @pytest.mark.parametrize("info", [None, {}, {"orderId": "7"}, {"item": None}, "sword", ["sword"], 7])
    def test_an_info_without_an_item_names_none(self, info: Any) -> None:
        assert status(("Settled", {"webhookInfo": info})) == "unmatched"

    def test_a_string_of_json_names_its_item(self) -> None:
        decision = decide(story(("Settled", {"webhookInfo": '{"item": "shield", "quantity": 2}'})))
        assert decision.purchase
        assert (decision.purchase.item, decision.purchase.quantity) == ("shield", 2)

    def test_the_paying_events_own_word_goes_first(self) -> None:
        decision = decide(story(("Card Payment Authorized", {"webhookInfo": {"item": "crown"}}), "Settled"))
        assert decision.purchase
        assert decision.purchase.item == "sword"

    def test_an_operators_word_goes_before_all_others(self) -> None:
        decision = decide(story("Settled"), Match("shield", 2, "bob"))
        assert decision.purchase
        assert (decision.purchase.item, decision.purchase.quantity, decision.purchase.wallet) == (
            "shield",
            2,
            "bob",
        )
        assert decide(story(PAYIN), Match("shield")).purchase

    @pytest.mark.parametrize("item", ["", 7, True, ["sword"], {}])
    def test_a_name_is_a_string(self, item: Any) -> None:
        with pytest.raises(ItemMissing):
            _ = decide(story(("Settled", {"webhookInfo": {"item": item}}))).purchase

    @pytest.mark.parametrize("quantity", [0, -1, 1.5, 1.0, True, "2", None, 10**9 + 1, 10**400])
    def test_a_quantity_is_a_whole_number_that_fits(self, quantity: Any) -> None:
        with pytest.raises(QuantityInvalid):
            _ = decide(story(("Settled", {"webhookInfo": {"item": "sword", "quantity": quantity}}))).purchase

    @pytest.mark.parametrize("customer", [None, "", "x" * 201, "a\0b"])
    def test_a_wallet_can_be_kept(self, customer: str | None) -> None:
        nobody = ("Settled", {"customerId": customer, "rawCustomerId": None})
        with pytest.raises(WalletInvalid):
            _ = decide(story(nobody)).purchase

    def test_the_wallet_may_be_named_by_another_event(self) -> None:
        nobody = ("Settled", {"customerId": None, "rawCustomerId": None})
        assert decide(story("Card Payment Authorized", nobody)).wallet == "alice"


@given(
    created=st.lists(
        st.text() | st.datetimes().map(lambda moment: moment.isoformat()), min_size=2, max_size=5
    )
)
def test_whatever_time_is_stated_the_order_of_arrival_does_not_matter(created: list[str]) -> None:
    events = []
    for number, text in enumerate(created):
        packet = sample(["Settled", OPENED, WON, "Refund", "Refund Failure"][number])
        events.append(read({**packet, "created": text}))
    assert decide(events) == decide(events[::-1])


@given(seed=st.integers(0, 2**64))
def test_any_life_in_any_order_is_decided_as_it_was_lived(seed: int) -> None:
    random = Random(seed)
    life = live(random, "pay", "alice")
    events = {event.key: event for event in map(read, deliveries(random, life.packets))}
    decision = decide(events.values())
    assert (decision.status, decision.refunded_cents) == (life.decision, life.refunded_cents)
    purchase = decision.purchase
    held = decision.status in {DecisionStatus.GRANTED, DecisionStatus.SUSPENDED, DecisionStatus.REVOKED}
    assert ((purchase.quantity, decision.status) if purchase and held else None) == life.held
