"""Events told in a line or two, and what the model says that they come to."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.coinflow.samples import sample, with_identity
from tests.lives import Packet
from tests.oracle import Ending, Resolution, ending

Told = tuple[str, dict[str, Any]]
Said = str | Told
PAYIN = "Crypto Payin Funds Received"
USDC = "USDC Payment Received"
OPENED, WON, LOST = (f"Card Payment Chargeback {word}" for word in ("Opened", "Won", "Lost"))
PENDING: dict[str, Any] = {"status": "Pending"}
NOBODY = {"customerId": None, "rawCustomerId": None}


def packets(*words: Said, cents: int = 500, at: Sequence[int] = ()) -> list[Packet]:
    """Return events, a second apart in the order given, or `at` these seconds; the words' data replaces."""
    events = []
    for number, said in enumerate(words):
        name, data = (said, {}) if isinstance(said, str) else said
        packet = sample(name)
        with_identity(packet, payment_id="pay", wallet="alice", item="sword", cents=cents)
        second = at[number] if at else number
        packet["created"] = (datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=second)).isoformat()
        packet["data"].update(data)
        events.append(packet)
    return events


def end(*words: Said, cents: int = 500, at: Sequence[int] = (), said: Sequence[Resolution] = ()) -> Ending:
    return ending(packets(*words, cents=cents, at=at), said)


def short(*words: Said, at: Sequence[int] = ()) -> str:
    """Return the state, then the notes in their alphabet's order."""
    found = end(*words, at=at)
    return " ".join([found.state, *sorted(found.notes)])


def paid(cents: Any = 500, name: str = "Settled", **data: Any) -> Told:
    return (name, {"subtotal": {"cents": cents}} | data)


def buys(item: str, quantity: Any = 1, **info: Any) -> dict[str, Any]:
    return {"webhookInfo": {"item": item, "quantity": quantity} | info}


def money(cents: Any, currency: Any = "USD") -> dict[str, Any]:
    return {"cents": cents, "currency": currency}


def refund(name: str, cents: Any, currency: Any = "USD", resolution: Any = None, **data: Any) -> Told:
    totals = {"subtotal": money(cents, currency), "resolution": resolution}
    return (name, {"status": "Settled", "totals": totals, "webhookInfo": None} | data)


def dispute(name: str, cents: int = 500, by: str | None = None, **data: Any) -> Told:
    return (name, {"subtotal": {"cents": cents}, "respondByDate": by} | data)


THREE_POTIONS = paid(300, **buys("potion", 3))
THREE_SWORDS = paid(1500, **buys("sword", 3))
TWO_CROWNS = ("Settled", {"subtotal": money(1800, "EUR")} | buys("crown", 2))
