"""The rules, called without a database: events as they read them, and a price list as they ask it."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tasks.coinflow.event import read_event, read_packet
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.errors import PayloadInvalid
from tasks.payments.facts import extract, extract_unreadable
from tasks.payments.offers import Offer, Ruling
from tasks.payments.payment import Payment
from tasks.payments.price_list import AcceptedPriceList, read_price_list
from tasks.payments.price_list_form import PriceList
from tasks.payments.pricing import Pricing, Terms
from tasks.payments.story import Statement
from tests.lives import Packet

NOW = datetime(2026, 9, 1, tzinfo=UTC)


def read(packet: Packet) -> Statement:
    """Return an event as fulfilment reads it, also one that does not fit its type."""
    said = read_body(json.dumps(packet))
    assert said is not None
    return said


def read_body(body: str) -> Statement | None:
    """Return the same of a body, or None if its type is unknown."""
    said = read_packet(body)
    known = EVENT_TYPES.get(said.event_type)
    try:
        event = read_event(said)
    except PayloadInvalid as fault:
        facts = extract_unreadable(said, str(fault))
    else:
        if event is None:
            return None
        facts = extract(event)
    return Statement(said.key, known, said.created, facts) if known else None


def catalog(prices: Mapping[str, tuple[int, str, bool]]) -> str:
    """Return the text of a price list: cents, currency, and whether a part takes whole units, by item.

    It takes no overpayment.
    """
    return "overpayment.percent = 0\n" + "".join(
        f'[items.{name}]\nprice = {{ cents = {cents}, currency = "{currency}" }}\n'
        f'refund = "{"proportional" if proportional else "keep"}"\n'
        for name, (cents, currency, proportional) in prices.items()
    )


def accepted(prices: str | PriceList, number: int = 1) -> AcceptedPriceList:
    """Return a price list, or its text, as one that is in force."""
    if isinstance(prices, str):
        prices = read_price_list(prices)
    return AcceptedPriceList(number, f"{number:08}" + "0" * 56, NOW, "a release", prices)


def terms(prices: str | PriceList, number: int = 1) -> Terms:
    """Return the terms of a shop that sells in US dollars."""
    return Terms(accepted(prices, number), "USD", NOW)


def rulings(prices: str | PriceList) -> Callable[[Offer], Ruling]:
    """Return what a price list says of any offer."""
    return lambda offer: Pricing(Payment("pay", ()), terms(prices)).ruling_on(offer)
