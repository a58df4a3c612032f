"""Sales that change after they are made: what Coinflow sends of each, and what is left of it in the end."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tasks.coinflow.samples import sample, with_identity
from tests.chaos.load import Packet
from tests.lives import live
from tests.oracle import PRICES
from tests.rules import catalog

#: What they are sold by: a sword is kept until all of its price is back, potions go back one by one.
CATALOG = catalog(PRICES)
_SWORD, _POTION = (PRICES[item][0] for item in ("sword", "potion"))
_OPENED, _WON, _LOST = (f"Card Payment Chargeback {word}" for word in ("Opened", "Won", "Lost"))
_REFUNDED = "Refund Complete"
#: What may become of a cart, and whether its buyer may use it then.
_CART_ENDS = (
    ((), True),
    ((_OPENED,), False),
    ((_OPENED, _WON), True),
    ((_OPENED, _LOST), False),
    ((_REFUNDED,), False),
    ((_OPENED, _WON, _REFUNDED), False),
)
#: Events of a life. Shorter ones change nothing, longer ones are rare.
_EVENTS = range(3, 9)


@dataclass(frozen=True)
class Sale:
    """A payment's events, in the order in which they happen, and what wallets may use of items afterwards."""

    payment_id: str
    packets: Sequence[Packet]
    usable: Mapping[tuple[str, str], int]


def sales(count: int, chance: Random) -> list[Sale]:
    """Make up so many: lives of all kinds, carts, and potions that are refunded one by one."""
    makers = (_life, _life, _life, _cart, _potions)
    return [
        chance.choice(makers)(
            chance, str(uuid.UUID(int=chance.getrandbits(128), version=4)), f"wallet-{number % 50}"
        )
        for number in range(count)
    ]


def deliveries(made: Sequence[Sale], chance: Random) -> list[Packet]:
    """Return all their events and copies of some, each sale's spread over the whole, mostly in its order."""
    timed: list[tuple[float, Packet]] = []
    for sale in made:
        moments = sorted(chance.random() for _ in sale.packets)
        for moment, packet in zip(moments, sale.packets, strict=True):
            timed.append((moment, packet))
            timed += [(chance.uniform(moment, 1), packet)] * chance.choice((0, 0, 1))
    return [packet for _, packet in sorted(timed, key=lambda each: each[0])]


def _life(chance: Random, payment_id: str, wallet: str) -> Sale:
    life = next(
        life for life in iter(lambda: live(chance, payment_id, wallet), None) if len(life.packets) in _EVENTS
    )
    quantity, status = life.held or (0, "")
    usable = {(wallet, "sword"): quantity} if status == "granted" else {}
    return Sale(payment_id, [_packet(each, payment_id, wallet) for each in life.packets], usable)


def _cart(chance: Random, payment_id: str, wallet: str) -> Sale:
    swords, potions = chance.randint(1, 2), chance.randint(1, 3)
    cart = {"items": [{"item": "sword", "quantity": swords}, {"item": "potion", "quantity": potions}]}
    cents = swords * _SWORD + potions * _POTION
    later, is_left = chance.choice(_CART_ENDS)
    events = [_event(name, payment_id, wallet, cents) for name in ("Settled", *later)]
    for each in events:
        each["data"]["webhookInfo"] = cart
    usable = {(wallet, "sword"): swords, (wallet, "potion"): potions} if is_left else {}
    return Sale(payment_id, list(_in_turn(events, payment_id, wallet)), usable)


def _potions(chance: Random, payment_id: str, wallet: str) -> Sale:
    bought = chance.randint(2, 5)
    refunded = chance.randint(1, bought)
    paid = _event("Settled", payment_id, wallet, bought * _POTION, quantity=bought)
    refunds = [_event(_REFUNDED, payment_id, wallet, _POTION) for _ in range(refunded)]
    for number, each in enumerate(refunds):
        each["data"]["refundId"] = f"refund-{number}"
    left = {(wallet, "potion"): bought - refunded} if refunded < bought else {}
    return Sale(payment_id, list(_in_turn([paid, *refunds], payment_id, wallet)), left)


def _event(name: str, payment_id: str, wallet: str, cents: int, quantity: int = 1) -> dict[str, Any]:
    event = sample(name)
    with_identity(event, payment_id=payment_id, wallet=wallet, item="potion", quantity=quantity, cents=cents)
    return event


def _in_turn(events: Sequence[dict[str, Any]], payment_id: str, wallet: str) -> Iterator[Packet]:
    for day, event in enumerate(events):
        event["created"] = (datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=day)).isoformat()
        yield _packet(event, payment_id, wallet)


def _packet(event: dict[str, Any], payment_id: str, wallet: str) -> Packet:
    return Packet(payment_id, event["eventType"], wallet, json.dumps(event))
