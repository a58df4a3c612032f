"""Facts: what the rules read of an event, extracted once and kept beside it.

Whoever changes what is extracted raises `VERSION`: facts of an older version are extracted anew from the
event's body (`coinflowctl events reread`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from tasks.coinflow.event import Event, happened_at
from tasks.coinflow.event_types import EventType, Meaning
from tasks.coinflow.fields import Cents, CustomerPayload, Payload
from tasks.coinflow.payloads import Chargeback, Paid, PurchasePayload, Refund

VERSION = 1
#: More of an item than anybody buys; larger numbers would not fit the ledger's columns.
MOST = 1_000_000_000


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Money(_Facts):
    """An amount, and its currency where Coinflow names one."""

    cents: int
    currency: str | None = None


class Named(_Facts):
    """What `webhookInfo` names, rightly or not."""

    #: None: it is no name.
    item: str | None
    #: None: it is no whole number from 1 to `MOST`.
    quantity: int | None


class Refunded(_Facts):
    """One step of a refund."""

    refund_id: str | None
    amount: Money
    status: str | None


class Facts(_Facts):
    """What an event says for the rules; None is what it does not say."""

    #: The merchant's own id of the customer.
    customer: str | None = None
    #: What was paid, without the buyer's fees, by an event that pays.
    price: Money | None = None
    named: Named | None = None
    chargeback_id: str | None = None
    refund: Refunded | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """An event as the rules see it."""

    key: str
    type: EventType
    #: When Coinflow says it happened, as it wrote it.
    created: str
    facts: Facts

    @property
    def happened_at(self) -> datetime | None:
        """When Coinflow says it happened, or None if that is no ISO 8601 time."""
        return happened_at(self.created)

    @property
    def position(self) -> tuple[bool, datetime, str, str]:
        """Where the event stands among others: by the time it states, whatever order they came in."""
        moment = self.happened_at
        return (moment is None, moment or datetime.min.replace(tzinfo=UTC), self.created, self.key)

    def means(self, *meanings: Meaning) -> bool:
        """Tell whether the event has one of these meanings for its payment."""
        return self.type.meaning in meanings


def extract(event: Event[Payload]) -> Facts:
    """Return an event's facts."""
    payload = event.payload
    return Facts(
        customer=payload.customer_id if isinstance(payload, CustomerPayload) else None,
        price=_money(payload.price) if isinstance(payload, Paid) else None,
        named=_named(payload.webhook_info) if isinstance(payload, PurchasePayload | Refund) else None,
        chargeback_id=payload.chargeback_id if isinstance(payload, Chargeback) else None,
        refund=_refunded(payload) if isinstance(payload, Refund) else None,
    )


def state(event: Event[Payload]) -> Statement:
    """Return an event as the rules see it."""
    return Statement(event.key, event.type, event.created, extract(event))


def _money(amount: Cents) -> Money:
    return Money(cents=amount.cents, currency=amount.currency)


def _named(info: object) -> Named | None:
    if not isinstance(info, dict) or info.get("item") is None:
        return None
    item, quantity = info["item"], info.get("quantity", 1)
    return Named(
        item=item if isinstance(item, str) and item else None,
        # bool is an int to Python, and 1.0 equals 1; neither is a number of swords.
        quantity=quantity if type(quantity) is int and 1 <= quantity <= MOST else None,
    )


def _refunded(refund: Refund) -> Refunded:
    return Refunded(refund_id=refund.refund_id, amount=_money(refund.totals.subtotal), status=refund.status)
