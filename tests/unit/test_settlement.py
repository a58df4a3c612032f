"""The money rule without a database: any life of a payment, in any order, at any stops on the way."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.event import read_event, read_packet
from tasks.coinflow.samples import sample, with_identity
from tasks.errors import Discarded, PriceListUnusable, PriceMismatch
from tasks.payments.facts import Facts, Statement, state
from tasks.payments.grants import Grant
from tasks.payments.price_list import AcceptedPriceList, Item, Price, PriceList
from tasks.payments.purchase import Match
from tasks.payments.settlement import Payment, Settlement, settle
from tests.lives import Life, Packet, deliveries, live

NOW = datetime(2026, 9, 1, tzinfo=UTC)
LOST = "Card Payment Chargeback Lost"


def accepted(number: int, cents: int) -> AcceptedPriceList:
    prices = PriceList(items={"sword": Item(price=Price(cents=cents))})
    return AcceptedPriceList(number, "1a2b3c4d" + "0" * 56, NOW, "a release", prices)


PRICES, DEARER = accepted(1, 500), accepted(2, 900)


def read(packet: Packet) -> Statement:
    event = read_event(read_packet(json.dumps(packet)))
    assert event is not None
    return state(event)


def event(name: str = "Settled", cents: int = 500) -> Statement:
    packet = sample(name)
    with_identity(packet, payment_id="pay", wallet="alice", item="sword", cents=cents)
    return read(packet)


@dataclass
class Wallet:
    """What a ledger would hold after each settlement."""

    held: dict[str, Grant] = field(default_factory=dict)
    balance: int = 0
    moves: int = 0

    def settle(self, events: Sequence[Statement], prices: AcceptedPriceList = PRICES) -> Settlement:
        settlement = settle(Payment("pay", events, dict(self.held)), prices, NOW)
        for move in settlement.moves:
            self.held[move.grant.item] = move.grant
            self.balance += move.delta
        self.moves += len(settlement.moves)
        return settlement


def arrivals(random: Random, life: Life) -> list[Statement]:
    return [read(packet) for packet in deliveries(random, life.packets)]


@given(seed=st.integers(0, 2**64))
def test_wherever_the_events_were_looked_at_they_end_in_the_same_wallet(seed: int) -> None:
    random = Random(seed)
    life = live(random, "pay", "alice")
    events = list({each.key: each for each in arrivals(random, life)}.values())
    wallet = Wallet()
    for count in range(1, len(events) + 1):
        if count == len(events) or random.randrange(2):
            settlement = wallet.settle(events[:count])
            assert settlement.refusal is None
    assert [(grant.quantity, grant.status) for grant in wallet.held.values()] == (
        [life.held] if life.held else []
    )
    assert wallet.balance == sum(grant.usable for grant in wallet.held.values())
    assert settlement.status == life.decision


@given(seed=st.integers(0, 2**64))
def test_a_second_look_moves_nothing_whatever_the_price_is_by_then(seed: int) -> None:
    random = Random(seed)
    events = list({each.key: each for each in arrivals(random, live(random, "pay", "alice"))}.values())
    wallet = Wallet()
    wallet.settle(events)
    moves = wallet.moves
    wallet.settle(random.sample(events, len(events)))
    wallet.settle(events, DEARER)
    assert wallet.moves == moves


@given(cents=st.integers(0, 10**6).filter(lambda cents: cents != 500))
def test_another_amount_than_the_price_is_never_granted(cents: int) -> None:
    wallet = Wallet()
    settlement = wallet.settle([event(cents=cents)])
    assert isinstance(settlement.refusal, PriceMismatch)
    assert (settlement.status, wallet.held) == ("refused", {})


def test_what_is_held_is_lost_though_its_price_has_changed() -> None:
    wallet = Wallet()
    wallet.settle([event()])
    settlement = wallet.settle([event(), event(LOST)], DEARER)
    assert (settlement.refusal, settlement.status, wallet.balance) == (None, "revoked", 0)


def test_a_settlement_names_the_list_by_which_a_price_was_checked() -> None:
    wallet = Wallet()
    assert wallet.settle([event("Card Payment Authorized")]).price_list_id is None
    refused = wallet.settle([event()], DEARER)
    assert (refused.price_list_id, "Decided by price list 1a2b3c4d" in str(refused.refusal)) == (2, True)
    assert wallet.settle([event()]).price_list_id == 1
    # What is held needs no price any more.
    assert wallet.settle([event(), event(LOST)], DEARER).price_list_id is None


def test_without_a_list_only_what_needs_no_price_is_settled() -> None:
    assert settle(Payment("pay", [event("Card Payment Authorized")]), None, NOW).status == "nothing"
    with pytest.raises(PriceListUnusable, match="coinflowctl catalog apply"):
        settle(Payment("pay", [event()]), None, NOW)


def test_an_operators_word_names_the_item_and_the_price_list_still_decides() -> None:
    paid = event("Crypto Payin Funds Received")
    assert settle(Payment("pay", [paid]), PRICES, NOW).status == "unmatched"
    named = settle(Payment("pay", [paid], match=Match("sword")), PRICES, NOW)
    assert [move.grant.item for move in named.moves] == ["sword"]
    assert settle(Payment("pay", [paid], match=Match("sword", quantity=2)), PRICES, NOW).status == "refused"


@pytest.mark.parametrize("others", [[], [event(LOST)]])
def test_what_an_operator_has_discarded_is_never_granted(others: list[Statement]) -> None:
    paid = event()
    settlement = settle(Payment("pay", [paid, *others], discarded={paid.key}), PRICES, NOW)
    assert isinstance(settlement.refusal, Discarded)
    assert settlement.due == {}


@given(seed=st.integers(0, 2**64))
def test_facts_are_the_same_when_they_were_stored(seed: int) -> None:
    random = Random(seed)
    for each in arrivals(random, live(random, "pay", "alice")):
        assert Facts.model_validate_json(each.facts.model_dump_json(exclude_defaults=True)) == each.facts
