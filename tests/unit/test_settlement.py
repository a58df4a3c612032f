"""The money rule without a database: what is due, what moves, and what stays whatever the price list says."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.samples import sample, with_identity
from tasks.errors import (
    Discarded,
    ItemUnknown,
    PayloadInvalid,
    PriceListUnusable,
    PriceMismatch,
    WalletInvalid,
)
from tasks.payments.discards import Discard
from tasks.payments.facts import Facts
from tasks.payments.grants import Grant
from tasks.payments.order import Order, OrderLine
from tasks.payments.payment import Payment
from tasks.payments.pricing import Terms
from tasks.payments.resolution import Resolution
from tasks.payments.settlement import Settlement, settle
from tasks.payments.states import GrantStatus, ResolutionKind
from tasks.payments.story import Statement
from tasks.payments.verdict import Verdict
from tests.any_life import any_life
from tests.lives import deliveries
from tests.oracle import PRICES as OF_THE_MODEL
from tests.oracle import ending
from tests.rules import NOW, catalog, read, terms

LOST, PAYIN = "Card Payment Chargeback Lost", "Crypto Payin Funds Received"


def selling(cents: int, number: int = 1, refund: str = "keep") -> Terms:
    return terms(f'items.sword = {{ price.cents = {cents}, refund = "{refund}" }}', number)


PRICES, DEARER, MODEL = selling(500), selling(900, 2), terms(catalog(OF_THE_MODEL))


def event(name: str = "Settled", cents: int = 500, **data: Any) -> Statement:
    packet = sample(name)
    with_identity(packet, payment_id="pay", wallet="alice", item="sword", cents=cents)
    packet["data"].update(data)
    return read(packet)


def unique(events: Sequence[Statement]) -> list[Statement]:
    """Return each event once, as the event log holds it."""
    return list({each.key: each for each in events}.values())


def part_back(cents: int) -> Statement:
    return event("Refund Complete", totals={"subtotal": {"cents": cents, "currency": "USD"}})


@dataclass
class Shop:
    """What is kept of a payment from one settlement to the next."""

    held: dict[str, Grant] = field(default_factory=dict)
    verdicts: Collection[Verdict] = ()
    balance: int = 0
    moves: int = 0

    def settle(self, events: Sequence[Statement], by: Terms = PRICES, **known: Any) -> Settlement:
        settlement = settle(Payment("pay", events, dict(self.held), verdicts=self.verdicts, **known), by)
        for move in settlement.moves:
            self.held[move.grant.item] = move.grant
            self.balance += move.delta
        self.moves += len(settlement.moves)
        self.verdicts = settlement.verdicts
        return settlement


@given(seed=st.integers(0, 2**64))
def test_wherever_the_events_were_looked_at_they_end_in_the_same_wallet(seed: int) -> None:
    random, shop = Random(seed), Shop()
    packets = deliveries(random, any_life(random))
    events = [read(packet) for packet in packets]
    for count in range(1, len(events) + 1):
        if count == len(events) or random.randrange(2):
            settlement = shop.settle(unique(events[:count]), MODEL)
    end = ending(packets)
    assert (settlement.status, shop.balance) == (end.state, end.usable)
    assert shop.balance == sum(grant.usable for grant in shop.held.values())


@given(seed=st.integers(0, 2**64))
def test_a_second_look_moves_nothing_whatever_the_price_is_by_then(seed: int) -> None:
    random, shop = Random(seed), Shop()
    events = unique([read(packet) for packet in any_life(random)])
    shop.settle(events, MODEL)
    moves = shop.moves
    shop.settle(random.sample(events, len(events)), MODEL)
    shop.settle(events, DEARER)
    assert shop.moves == moves


@given(cents=st.integers(0, 10**6).filter(lambda cents: cents != 500))
def test_another_amount_than_the_price_is_never_granted(cents: int) -> None:
    shop = Shop()
    settlement = shop.settle([event(cents=cents)])
    assert isinstance(settlement.refusal, PriceMismatch)
    assert (settlement.status, shop.held) == ("refused", {})


def test_what_is_held_is_lost_though_its_price_has_changed() -> None:
    shop = Shop()
    shop.settle([event()])
    settlement = shop.settle([event(), event(LOST)], DEARER)
    assert (settlement.refusal, settlement.status, shop.balance) == (None, "revoked", 0)


def test_what_is_paid_is_priced_once() -> None:
    shop = Shop()
    first = shop.settle([event()])
    assert (first.price_list_id, [each.content_hash for each in first.verdicts]) == (
        1,
        ["00000001" + "0" * 56],
    )
    for by in (DEARER, terms("items.crown.price.cents = 1", 3), Terms(None, "EUR", NOW)):
        later = shop.settle([event(), event("Card Payment Authorized")], by, asks_again=True)
        assert (later.status, later.price_list_id, shop.moves) == ("granted", None, 1)


@pytest.mark.parametrize(
    "prices",
    [
        """[items.sword]
        price.cents = 900
        former_prices = [{ cents = 500, ended = 2026-08-01T00:00:00Z, grace_days = 1 }]""",
        "items.sword.price.cents = 1_000\ncoupons.half = { percent = 50, until = 2026-08-02T00:00:00Z }",
    ],
    ids=["former price", "coupon"],
)
def test_each_of_several_that_ask_for_the_same_is_priced_at_its_own_time(prices: str) -> None:
    by, coupon = terms(prices), {"coupon": "half"} if "coupons" in prices else {}
    asking = event(webhookInfo={"item": "sword", **coupon})
    times = ["2026-08-01T12:00:00Z", "2026-08-03T12:00:00Z", "2026-08-01T12:00:00Z"]
    paid = [Payment("pay", [asking._replace(created=each)]) for each in times]
    assert [settle(each, by).status for each in paid] == ["granted", "refused", "granted"]


def test_what_is_refused_is_priced_again_when_somebody_asks() -> None:
    shop = Shop()
    refused = shop.settle([event()], DEARER)
    assert "Decided by price list 00000002" in str(refused.refusal)
    assert shop.settle([event(), event("Card Payment Authorized")]).status == "refused"
    assert shop.settle([event()], asks_again=True).status == "granted"


def test_a_sale_keeps_its_policy_on_what_goes_back() -> None:
    three = event(cents=1500, webhookInfo={"item": "sword", "quantity": 3})
    for sold, later, left in (("keep", "proportional", 3), ("proportional", "keep", 2)):
        shop = Shop()
        shop.settle([three], selling(500, refund=sold))
        shop.settle([three, part_back(500)], selling(500, 2, refund=later))
        assert (shop.held["sword"].quantity, shop.balance) == (left, left)


def test_what_an_earlier_release_has_granted_stays_paid() -> None:
    shop = Shop(held={"sword": Grant("pay", "sword", "alice", 1, GrantStatus.GRANTED)}, balance=1)
    settlement = shop.settle([event(), event("Card Payment Authorized")], DEARER)
    assert (settlement.status, settlement.moves) == ("granted", [])
    assert [each.price_list_id for each in settlement.verdicts] == [None]


def test_without_a_list_only_what_needs_no_price_is_settled() -> None:
    none = Terms(None, "USD", NOW)
    assert settle(Payment("pay", [event("Card Payment Authorized")]), none).status == "nothing"
    with pytest.raises(PriceListUnusable, match="coinflowctl catalog apply"):
        settle(Payment("pay", [event()]), none)


def test_an_amount_that_names_no_currency_is_of_the_default_one() -> None:
    euros = Terms(PRICES.prices, "EUR", NOW)
    refusal = settle(Payment("pay", [event()]), euros).refusal
    assert "subtotal was 500 cents EUR" in str(refusal)
    named = event(subtotal={"cents": 500, "currency": "USD"})
    assert settle(Payment("pay", [named]), euros).status == "granted"


def test_a_persons_word_names_the_item_and_the_price_list_still_decides() -> None:
    paid = event(PAYIN)
    assert settle(Payment("pay", [paid]), PRICES).status == "unmatched"
    sword, two, crown = (
        [Resolution(ResolutionKind.ITEM, *word)] for word in (("sword",), ("sword", 2), ("crown",))
    )
    assert [move.grant.item for move in settle(Payment("pay", [paid], resolutions=sword), PRICES).moves] == [
        "sword"
    ]
    assert settle(Payment("pay", [paid], resolutions=two), PRICES).status == "refused"
    assert isinstance(settle(Payment("pay", [paid], resolutions=crown), PRICES).refusal, ItemUnknown)


def test_what_is_held_stays_though_a_persons_word_on_the_wallet_is_refused() -> None:
    shop = Shop()
    shop.settle([event()])
    wrong = [Resolution(ResolutionKind.WALLET, wallet="x" * 201)]
    settlement = shop.settle([event()], resolutions=wrong)
    assert (settlement.status, shop.balance, bool(settlement.refusal)) == ("granted", 1, True)
    assert shop.settle([event(), event("ACH Chargeback")], resolutions=wrong).status == "suspended"
    assert shop.settle([event(), event(LOST)], resolutions=wrong).status == "revoked"
    assert shop.balance == 0


def test_a_plan_that_the_list_does_not_know_names_nothing() -> None:
    cycle = {"plan": {"code": "none"}, "webhookInfo": None}
    renewal = event(webhookInfo={}, subscription=cycle)
    assert settle(Payment("pay", [renewal]), PRICES).status == "unmatched"
    order = Order((OrderLine("gem", 3),), 500, "USD")
    ordered = settle(Payment("pay", [renewal], order=order), PRICES)
    assert {item: grant.quantity for item, grant in ordered.due.items()} == {"gem": 3}
    told = event(webhookInfo={}, subscription={**cycle, "webhookInfo": {"item": "sword"}})
    assert settle(Payment("pay", [told]), PRICES).status == "granted"


def test_the_merchants_order_says_the_price_and_a_wrong_one_is_refused() -> None:
    paid = event(webhookInfo={"orderId": "7"})
    assert settle(Payment("pay", [paid]), PRICES).status == "unmatched"
    dearer = settle(Payment("pay", [paid], order=Order((OrderLine("sword"),), 900, "USD")), PRICES)
    assert "The order costs 900 cents USD; subtotal was 500 cents USD." in str(dearer.refusal)
    other = Order((OrderLine("shield"),), 500, "USD")
    assert [*settle(Payment("pay", [event()], order=other), PRICES).due] == ["sword"]


def test_a_gift_goes_to_whom_it_is_for_and_nobody_else() -> None:
    gifts = terms("items.sword = { price.cents = 500, recipient = true }")
    for recipient, wallet in (("bob", "bob"), (None, "alice"), (" ", "alice")):
        given = event(webhookInfo={"item": "sword", "recipient": recipient})
        settlement = settle(Payment("pay", [given]), gifts)
        assert (settlement.due["sword"].wallet, settlement.decision.payer or "alice") == (wallet, "alice")
        assert settle(Payment("pay", [given]), PRICES).due["sword"].wallet == "alice"
    odd = event(webhookInfo={"item": "sword", "recipient": ["bob"]})
    assert isinstance(settle(Payment("pay", [odd]), gifts).refusal, WalletInvalid)


def test_too_much_is_granted_where_the_currency_is_certain() -> None:
    named, unnamed = event(subtotal={"cents": 550, "currency": "USD"}), event(cents=550)
    assert settle(Payment("pay", [named]), PRICES).status == "granted"
    assert settle(Payment("pay", [unnamed]), PRICES).status == "refused"
    both = [unnamed, event("Crypto Overpayment")]
    assert settle(Payment("pay", both), PRICES).status == "granted"
    more = event(subtotal={"cents": 551, "currency": "USD"})
    assert settle(Payment("pay", [more]), PRICES).status == "refused"


def test_a_payment_of_another_environment_is_filtered_until_an_event_says_otherwise() -> None:
    only = terms('only.env = "production"\nitems.sword.price.cents = 500')
    info = {"item": "sword", "env": "staging"}
    shop = Shop()
    staged = event(webhookInfo=info)
    filtered = shop.settle([staged], only)
    assert (filtered.status, filtered.due, filtered.decision.notes, filtered.verdicts) == (
        "filtered",
        {},
        (),
        [],
    )
    assert shop.settle([event()], only).status == "filtered"
    right = event("Card Payment Authorized", webhookInfo={**info, "env": "production"})
    assert shop.settle([staged, right], only).status == "granted"
    elsewhere = terms('only.env = "test"\nitems.sword.price.cents = 500')
    assert shop.settle([staged, right], elsewhere).status == "granted"
    renewal = event(webhookInfo={}, subscription={"webhookInfo": {"item": "sword", "env": "production"}})
    assert settle(Payment("pay", [renewal]), only).status == "granted"
    assert settle(Payment("pay", [event(LOST)]), only).status == "nothing"


def test_another_spelling_of_the_wallet_moves_nothing() -> None:
    address = "0xAbCdEf0123456789aBcDeF0123456789AbCdEf01"
    shop = Shop()
    shop.settle([event(customerId=address, rawCustomerId=address)])
    small = [Resolution(ResolutionKind.WALLET, wallet=address.lower())]
    assert shop.settle([event(customerId=address, rawCustomerId=address)], resolutions=small).moves == []
    other = [Resolution(ResolutionKind.WALLET, wallet="bob")]
    moves = shop.settle([event(customerId=address, rawCustomerId=address)], resolutions=other).moves
    assert [(move.grant.wallet, move.delta) for move in moves] == [(address, -1), ("bob", 1)]


@pytest.mark.parametrize("others", [[], [event(LOST)]])
def test_what_an_operator_has_discarded_is_never_granted(others: list[Statement]) -> None:
    paid = event()
    settlement = settle(Payment("pay", [paid, *others], discarded={paid.key: Discard()}), PRICES)
    assert others or isinstance(settlement.refusal, Discarded)
    assert (settlement.due, settlement.decision.notes) == ({}, ())
    for odd in (event(webhookInfo={"item": 7.5}), event(customerId=None, rawCustomerId=None)):
        given_up = settle(Payment("pay", [odd], discarded={odd.key: Discard()}), PRICES)
        assert (type(given_up.refusal), given_up.decision.notes) == (Discarded, ())


@pytest.mark.parametrize(("cents", "status"), [(500, "granted"), (1, "refused")])
def test_what_could_not_be_read_is_priced_once_it_can_be(cents: int, status: str) -> None:
    paid, shop = event(cents=cents), Shop()
    assert shop.settle([paid._replace(facts=event(subtotal=None).facts)]).status == "refused"
    for _ in range(2):
        settlement = shop.settle([paid])
        assert (settlement.status, len(settlement.verdicts)) == (status, 1)
        assert not isinstance(settlement.refusal, PayloadInvalid)


def test_what_a_person_has_accepted_unread_stays_accepted() -> None:
    paid, shop = event(cents=1), Shop()
    accepted = [Resolution(ResolutionKind.ACCEPT_PRICE)]
    unread = paid._replace(facts=event(subtotal=None).facts)
    for each in (unread, paid):
        assert shop.settle([each], resolutions=accepted).status == "granted"
    assert shop.moves == 1


def test_facts_are_the_same_when_they_were_stored() -> None:
    for each in (event(), event(LOST), part_back(250), event(subtotal=None), event(PAYIN)):
        assert Facts.model_validate_json(each.facts.model_dump_json(exclude_defaults=True)) == each.facts
