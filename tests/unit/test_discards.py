"""What an operator has given up, and what pays for it later all the same: a person must speak."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.event_types import Meaning
from tasks.coinflow.samples import sample, with_identity
from tasks.errors import Discarded, WalletInvalid
from tasks.payments.discards import Discard
from tasks.payments.payment import Payment
from tasks.payments.resolution import Resolution
from tasks.payments.settlement import Settlement, settle
from tasks.payments.states import ResolutionKind
from tasks.payments.story import Statement, tell
from tests.any_life import any_life
from tests.oracle import PRICES as OF_THE_MODEL
from tests.rules import catalog, read, terms

PRICES = terms("items.sword.price.cents = 500")
MODEL = terms(catalog(OF_THE_MODEL))
AT = datetime(2026, 11, 26, 3, 40, tzinfo=UTC)
LOST = "Card Payment Chargeback Lost"


def event(
    name: str = "Settled", cents: int = 500, created: str = "2026-09-01T10:00:00Z", **data: Any
) -> Statement:
    packet = sample(name)
    with_identity(packet, payment_id="pay", wallet="alice", item="sword", cents=cents)
    packet["data"].update(data)
    return read({**packet, "created": created})


CHEAP = event(cents=1)
CHEAP_AGAIN = event(cents=1, last4="1111")
PAID = event(created="2026-09-02T10:00:00Z")
EARLIER = event(created="2026-08-01T10:00:00Z")
PAID_COPY = event(created="2026-09-02T10:00:00Z", last4="1111")


def given_up(*events: Statement, known: Collection[Statement] = ()) -> dict[str, Discard]:
    keys = frozenset(each.key for each in known)
    return {each.key: Discard("ada", AT, "the buyer was paid back", keys) for each in events}


def word(kind: ResolutionKind, *known: Statement) -> Resolution:
    item = "sword" if kind is ResolutionKind.ITEM else None
    wallet = "alice" if kind is ResolutionKind.WALLET else None
    return Resolution(kind, item, wallet=wallet, known=frozenset(each.key for each in known))


def settled(events: Sequence[Statement], discarded: dict[str, Discard], *words: Resolution) -> Settlement:
    return settle(Payment("pay", events, resolutions=words, discarded=discarded), PRICES)


@pytest.mark.parametrize("later", [PAID, EARLIER, event(cents=700, created="2026-09-02T10:00:00Z")])
def test_what_pays_after_a_discard_is_not_granted_in_silence(later: Statement) -> None:
    settlement = settled([CHEAP, later], given_up(CHEAP))
    assert (settlement.status, settlement.due, settlement.moves) == ("refused", {}, [])
    assert isinstance(settlement.refusal, Discarded)
    (note,) = settlement.decision.notes
    assert note.reason == "discarded"
    for told in ("ada", "2026-11-26 03:40:00 UTC", "the buyer was paid back", CHEAP.created, later.created):
        assert told in note.message
    assert settlement.refusal.args == (note.message,)


@pytest.mark.parametrize("kind", ResolutionKind)
def test_a_persons_word_on_it_grants_it(kind: ResolutionKind) -> None:
    grants = kind in {ResolutionKind.ITEM, ResolutionKind.ACCEPT_PRICE}
    settlement = settled([CHEAP, PAID], given_up(CHEAP), word(kind, CHEAP, PAID))
    expected = {ResolutionKind.REVOKE: "revoked"}.get(kind, "granted" if grants else "refused")
    assert (settlement.status, bool(settlement.due)) == (expected, grants or expected == "revoked")
    before = settled([CHEAP, PAID], given_up(CHEAP), word(kind, CHEAP))
    assert before.status == ("revoked" if kind is ResolutionKind.REVOKE else "refused")


def test_after_a_persons_word_what_comes_then_changes_nothing() -> None:
    said = word(ResolutionKind.ACCEPT_PRICE, CHEAP, PAID)
    for more in ([PAID_COPY], [EARLIER], [CHEAP_AGAIN], [PAID_COPY, EARLIER, CHEAP_AGAIN]):
        assert settled([CHEAP, PAID, *more], given_up(CHEAP), said).status == "granted"


def test_what_was_there_when_it_was_given_up_may_still_be_granted() -> None:
    assert settled([CHEAP, PAID], given_up(CHEAP, known=[CHEAP, PAID])).status == "granted"
    assert settled([CHEAP, PAID_COPY], given_up(CHEAP, known=[CHEAP, PAID])).status == "refused"
    assert settled([CHEAP, PAID, PAID_COPY], given_up(CHEAP, known=[CHEAP, PAID])).status == "granted"


def test_a_copy_of_what_was_given_up_is_nothing_new() -> None:
    settlement = settled([CHEAP, CHEAP_AGAIN], given_up(CHEAP))
    assert (settlement.status, settlement.decision.notes) == ("refused", ())


def test_once_it_is_replayed_it_is_granted() -> None:
    assert settled([CHEAP, PAID], {}).status == "granted"


def test_a_word_that_the_list_refuses_leaves_it_listed() -> None:
    dear = event(cents=700, created="2026-09-02T10:00:00Z")
    settlement = settled([CHEAP, dear], given_up(CHEAP), word(ResolutionKind.ITEM, CHEAP, dear))
    assert (settlement.status, settlement.due) == ("refused", {})
    assert [each.reason for each in settlement.decision.notes] == ["discarded"]


def test_another_discard_says_nothing_of_what_was_paid_again() -> None:
    refund = event("Refund", created="2026-09-03T10:00:00Z")
    discards = given_up(CHEAP, known=[CHEAP]) | given_up(refund, known=[CHEAP, PAID, refund])
    (note,) = settled([CHEAP, PAID], discards).decision.notes
    assert note.reason == "discarded"


def test_what_was_given_up_for_want_of_a_wallet_is_not_granted_when_one_is_named() -> None:
    nameless = event(customerId=None, rawCustomerId=None)
    named = event("Card Payment Authorized")
    refused = settled([nameless], {})
    assert isinstance(refused.refusal, WalletInvalid)
    verdicts = refused.verdicts
    payment = Payment("pay", [nameless, named], discarded=given_up(nameless), verdicts=verdicts)
    settlement = settle(payment, PRICES)
    assert (settlement.status, settlement.due) == ("refused", {})
    assert [each.reason for each in settlement.decision.notes] == ["discarded"]


def test_where_the_money_is_gone_nobody_is_asked() -> None:
    settlement = settled([CHEAP, PAID, event(LOST, created="2026-09-09T10:00:00Z")], given_up(CHEAP))
    assert (settlement.status, settlement.decision.notes) == ("revoked", ())


def test_what_does_not_pay_may_be_given_up_without_a_word() -> None:
    authorized = event("Card Payment Authorized")
    assert settled([authorized, PAID], given_up(authorized)).status == "granted"


def test_nothing_is_known_of_a_discard_of_long_ago() -> None:
    (note,) = settled([CHEAP, PAID], {CHEAP.key: Discard()}).decision.notes
    assert "by somebody." in note.message


@given(seed=st.integers(0, 2**64))
def test_neither_order_nor_copies_decide_what_becomes_of_it(seed: int) -> None:
    random = Random(seed)
    events = list({each.key: each for each in map(read, any_life(random))}.values())
    keys = [each.key for each in events]

    def some() -> frozenset[str]:
        return frozenset(random.sample(keys, random.randint(0, len(keys))))

    discarded = {key: Discard("ada", AT, None, some()) for key in some()}
    words = [
        Resolution(random.choice(list(ResolutionKind)), "sword", wallet="alice", known=some())
        for _ in range(random.choice([0, 0, 1, 2]))
    ]

    def end(order: Sequence[Statement]) -> tuple[Any, ...]:
        settlement = settle(Payment("pay", order, resolutions=words, discarded=discarded), MODEL)
        return settlement.status, settlement.due, settlement.decision.notes, repr(settlement.refusal)

    assert end(random.sample(events, len(events))) == end(events)
    paying = [each for each in tell(events) if each.means(Meaning.PAID)]
    gone = [each for each in paying if each.is_among(discarded)]
    known = [
        frozenset[str]().union(*(discarded[key].known for key in each.keys & discarded.keys()))
        for each in gone
    ]
    new = [each for each in paying if each not in gone and not all(each.is_among(by) for by in known)]
    spoken = [each for each in words if each.kind in {ResolutionKind.ITEM, ResolutionKind.ACCEPT_PRICE}]
    if gone and new and not any(each.is_among(said.known) for each in new for said in spoken):
        status, due, notes, _ = end(events)
        assert status == "revoked" or (due == {} and notes[0].reason == "discarded")
