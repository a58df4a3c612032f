"""The rules beside a second telling of them: any life, in any order, with copies and what persons say."""

import json
from collections.abc import Mapping, Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.event import read_packet
from tasks.payments.decision import Decision, decide
from tasks.payments.resolution import Resolution
from tasks.payments.states import ResolutionKind
from tasks.payments.story import Statement
from tests.any_life import any_life
from tests.lives import Packet, deliveries
from tests.oracle import PRICES, Ending, ending, wallet_key
from tests.oracle import Resolution as Said
from tests.persons import resolutions
from tests.rules import catalog, read_body, rulings

RULINGS = rulings(catalog(PRICES))


def key(packet: Packet) -> str:
    return read_packet(json.dumps(packet)).key


def statements(packets: Sequence[Packet]) -> list[Statement]:
    """Return what the rules read of events, each event once."""
    bodies = {key(packet): json.dumps(packet) for packet in packets}
    return [said for said in map(read_body, bodies.values()) if said]


def as_read(said: Said) -> Resolution:
    """Return a person's word as the rules read it."""
    known = frozenset(map(key, said.known))
    return Resolution(ResolutionKind(said.kind), said.item, said.quantity, said.wallet, known)


def told(decision: Decision) -> Mapping[str, object]:
    """Return what a decision comes to, comparable with what the model says."""
    purchase = decision.purchase if decision.status in {"granted", "suspended", "revoked"} else None
    return {
        "state": decision.status,
        "held": _held(decision) if purchase else None,
        "refunded": decision.refunded_cents,
        "price": (decision.price.cents, decision.price.currency) if decision.price else None,
        "notes": set() if decision.is_done else {note.reason for note in decision.notes},
    }


def _held(decision: Decision) -> tuple[str, str, int]:
    assert decision.purchase
    ((item, bought),) = decision.purchase.items.items()
    left = bought if decision.status == "revoked" else decision.left[item]
    return (item, wallet_key(decision.purchase.wallet), left)


def expected(end: Ending) -> Mapping[str, object]:
    """Return the same of what the model says."""
    return {
        "state": end.state,
        "held": (end.item, wallet_key(end.wallet or ""), end.quantity) if end.status else None,
        "refunded": end.refunded_cents,
        "price": (end.price_cents, end.currency) if end.price_cents is not None else None,
        "notes": end.notes,
    }


@given(seed=st.integers(0, 2**64))
def test_the_implementation_agrees_with_the_model(seed: int) -> None:
    random = Random(seed)
    delivered = deliveries(random, any_life(random))
    said = resolutions(random, delivered, PRICES) if random.randrange(2) else []
    decision = decide(statements(delivered), RULINGS, [as_read(each) for each in said])
    assert told(decision) == expected(ending(delivered, said))


@given(seed=st.integers(0, 2**64))
def test_neither_order_nor_copies_change_a_decision(seed: int) -> None:
    random = Random(seed)
    events = statements(any_life(random))
    one, other = (decide(random.sample(events, len(events)), RULINGS) for _ in range(2))
    assert (one.notes, one.paid, one.cause, one.wallet) == (
        other.notes,
        other.paid,
        other.cause,
        other.wallet,
    )
    assert (told(one), str(one.refusal)) == (told(other), str(other.refusal))
