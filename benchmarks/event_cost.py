"""What the plain Python of one event costs: from its body to what its payment comes to, without any database.

    python -m benchmarks.event_cost [repetitions]

It prints the least of several times of each step, in microseconds of the processor: for new payments of one
event, and for one more event of payments that have many. Nothing else need be quiet meanwhile, but the less
runs beside it, the steadier the figures.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from typing import Any

from tasks.coinflow.event import Packet, read_event, read_packet
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.samples import sample, with_identity
from tasks.payments.facts import Facts, extract
from tasks.payments.payment import Payment
from tasks.payments.price_list import AcceptedPriceList, read_price_list
from tasks.payments.pricing import Terms
from tasks.payments.settlement import settle
from tasks.payments.story import Statement
from tasks.store.events import facts_text
from tasks.store.notes import notes_text
from tasks.store.verdicts import read_verdicts, verdicts_text

_NOW = datetime(2026, 9, 2, tzinfo=UTC)
_LIST = """
[items.sword]
price = { cents = 500, currency = "USD" }
[items.potion]
price = [{ cents = 125, currency = "USD" }, { cents = 115, currency = "EUR" }]
refund = "proportional"
"""
_TERMS = Terms(AcceptedPriceList(1, "0" * 64, _NOW, "make run", read_price_list(_LIST)), "USD", _NOW)
_CART = {"items": [{"item": "sword"}, {"item": "potion", "quantity": 4}], "orderId": "order-1"}
_TYPES = ("Settled", "Refund", "Card Payment Chargeback Opened", "ACH Batched")
_LENGTHS = (10, 500)
_LOOKS = 20


def main(repetitions: int) -> None:
    """Measure and print."""
    for name, packet in _events().items():
        body = json.dumps(packet)
        costs = {step: _microseconds(work, repetitions) for step, work in _steps(body)}
        _say(f"{name}, {len(body)} bytes: {_told(costs)}")
    for event_type, length in product(_TYPES, _LENGTHS):
        costs = {step: _microseconds(work, repetitions // length) for step, work in _more(event_type, length)}
        _say(f"one more of {length} events, {event_type}: {_told(costs)}")


def _events() -> Mapping[str, dict[str, Any]]:
    two, three, cart = sample("Settled", 2), sample("Settled"), sample("Settled")
    cart["data"]["webhookInfo"] = _CART
    with_identity(cart, cents=1_000)
    return {"Settled 2": two, "Settled 3": three, "cart": cart, "Refund": sample("Refund")}


def _steps(body: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is done about the first event of a payment, step by step."""
    packet = read_packet(body)
    facts = _facts(packet)
    settlement = settle(_payment(packet, facts), _TERMS)
    yield "read packet", lambda: read_packet(body)
    yield "read event", lambda: read_event(packet)
    event = read_event(packet)
    assert event  # noqa: S101  # samples are of known types
    yield "extract", lambda: extract(event)
    yield "facts as text", lambda: facts_text(facts)
    yield "settle", lambda: settle(_payment(packet, facts), _TERMS)
    yield "verdicts as text", lambda: verdicts_text(settlement.verdicts)
    yield "notes as text", lambda: notes_text(settlement.decision.notes)


def _more(event_type: str, length: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is done about the stored events of a payment when one more has come."""
    packets = list(map(read_packet, _bodies(event_type, length)))
    texts = [facts_text(_facts(packet)) or "" for packet in packets]
    first = settle(Payment("p", _statements(packets, map(Facts.model_validate_json, texts))), _TERMS)
    verdicts = verdicts_text(first.verdicts)

    def load() -> list[Facts]:
        # As from the database: what is said alike is read once.
        return list(map(cache(Facts.model_validate_json), texts))

    def load_and_settle() -> object:
        story = _statements(packets, load())
        return settle(Payment("p", story, first.due, verdicts=read_verdicts(verdicts)), _TERMS)

    yield "facts loaded", load
    yield "and settled", load_and_settle


def _bodies(event_type: str, length: int) -> Iterator[str]:
    """Yield the events of a payment that says one thing again and again, each time a little otherwise."""
    yield json.dumps(sample("Settled"))
    for number in range(1, length):
        packet = sample(event_type)
        packet["created"] = (_NOW + timedelta(seconds=number)).isoformat()
        if event_type == "Refund":
            packet["data"]["totals"]["subtotal"] = {"cents": 1}
            packet["data"] |= {"refundId": f"refund-{number}", "status": "Settled"}
        yield json.dumps(packet)


def _payment(packet: Packet, facts: Facts) -> Payment:
    return Payment("p", _statements([packet], [facts]))


def _statements(packets: list[Packet], facts: Any) -> list[Statement]:
    # As they come from the database: nothing of them has been asked for yet.
    known = [(packet.key, EVENT_TYPES[packet.event_type], packet.created) for packet in packets]
    return [Statement(*each, said) for each, said in zip(known, facts, strict=True)]


def _facts(packet: Packet) -> Facts:
    event = read_event(packet)
    assert event  # noqa: S101  # samples are of known types
    return extract(event)


def _microseconds(work: Callable[[], object], repetitions: int) -> float:
    """Return the least microseconds of the processor that some work took, of many short looks at it."""
    at_once = max(1, repetitions // _LOOKS)
    taken = []
    for _ in range(_LOOKS):
        began = time.process_time()
        for _ in range(at_once):
            work()
        taken.append((time.process_time() - began) / at_once)
    return 1_000_000 * min(taken)


def _told(costs: Mapping[str, float]) -> str:
    return ", ".join(f"{step} {cost:.0f}" for step, cost in costs.items())


def _say(line: str) -> None:
    print(line)  # noqa: T201  # what a benchmark is for


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
