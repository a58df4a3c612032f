"""Facts: what the rules read of an event, extracted once and kept beside it.

Whoever changes what is extracted raises `VERSION`: facts of an older version are extracted anew from the
event's body (`coinflowctl events reread`).
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks.coinflow.event import Event, Packet, happened_at
from tasks.coinflow.fields import Cents, CustomerPayload, Payload, unwrap
from tasks.coinflow.paid_currency import named_currency
from tasks.coinflow.payloads import (
    Chargeback,
    Paid,
    PurchasePayload,
    Refund,
    Unreadable,
)
from tasks.coinflow.spellings import text_of
from tasks.payments.named import Cycle, Named, read_cycle, read_named, read_values

VERSION = 4


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class Money(_Facts):
    """An amount, and its currency where Coinflow names one."""

    cents: int
    currency: str | None = None


class Refunded(_Facts):
    """One step of a refund."""

    refund_id: str | None
    #: What goes back, in the currency in which the buyer gets it.
    amount: Money
    #: In lower case.
    status: str | None
    #: The same in the currency of the payment, or so it seems: Coinflow's pages give the name alone.
    resolution: Money | None = None


class Disputed(_Facts):
    """One step of a dispute."""

    chargeback_id: str | None
    #: Whether this is what is disputed is unknown: it may be the whole payment's.
    amount: Money | None
    #: An instant in UTC where it is one, otherwise as Coinflow wrote it.
    respond_by_date: str | None
    reason: str | None


class Facts(_Facts):
    """What an event says for the rules; None is what it does not say."""

    #: The merchant's own id of the customer.
    customer: str | None = None
    #: What was paid, without the buyer's fees, by an event that pays.
    price: Money | None = None
    #: The amount itself names its currency.
    price_names_currency: bool = False
    named: Named | None = None
    cycle: Cycle | None = None
    #: The members of `webhookInfo` that are single values, as text.
    info: Mapping[str, str] = {}
    #: The merchant's own id of the order; that of a subscription's payments is the same each time, so None.
    order_id: str | None = None
    dispute: Disputed | None = None
    refund: Refunded | None = None
    #: Why the event cannot be read: it says the customer and what is named at most, and no amount.
    fault: str | None = None


def extract(event: Event[Payload]) -> Facts:
    """Return an event's facts."""
    payload = event.payload
    info = payload.webhook_info if isinstance(payload, PurchasePayload | Refund) else None
    return Facts(
        customer=payload.customer_id if isinstance(payload, CustomerPayload) else None,
        price=_price(payload) if isinstance(payload, Paid) else None,
        price_names_currency=isinstance(payload, Paid) and payload.price.currency is not None,
        named=read_named(info),
        cycle=read_cycle(payload.subscription) if isinstance(payload, PurchasePayload) else None,
        info=_values(payload, info),
        order_id=_order_id(payload) if isinstance(payload, PurchasePayload) else None,
        dispute=_disputed(payload) if isinstance(payload, Chargeback) else None,
        refund=_refunded(payload) if isinstance(payload, Refund) else None,
    )


def extract_unreadable(packet: Packet, fault: str) -> Facts:
    """Return the facts of an event that does not fit its type; `fault` says why."""
    payload = Unreadable.model_validate(packet.data)
    info = payload.webhook_info
    return Facts(customer=payload.customer_id, named=read_named(info), info=read_values(info), fault=fault)


def _values(payload: Payload, info: Any) -> Mapping[str, str]:
    """Return the single values of a payment's `webhookInfo`, before those of its subscription's."""
    subscription = payload.subscription if isinstance(payload, PurchasePayload) else None
    return {**read_values(unwrap((subscription or {}).get("webhookInfo"))), **read_values(info)}


def _price(paid: Paid) -> Money:
    return Money(cents=paid.price.cents, currency=named_currency(paid))


def _money(amount: Cents | None) -> Money | None:
    return Money(cents=amount.cents, currency=amount.currency) if amount else None


def _order_id(purchase: PurchasePayload) -> str | None:
    info = purchase.webhook_info
    if not isinstance(info, dict) or purchase.subscription is not None:
        return None
    return text_of(info.get("orderId"))


def _refunded(refund: Refund) -> Refunded:
    return Refunded(
        refund_id=refund.refund_id,
        amount=Money(cents=refund.totals.subtotal.cents, currency=refund.totals.subtotal.currency),
        status=refund.status.strip().lower() if refund.status else None,
        resolution=_money(refund.totals.resolution),
    )


def _disputed(dispute: Chargeback) -> Disputed:
    respond_by_date = dispute.respond_by_date
    return Disputed(
        chargeback_id=dispute.chargeback_id,
        amount=_money(dispute.subtotal),
        respond_by_date=_instant(respond_by_date) if respond_by_date else None,
        reason=dispute.reason_code or dispute.reason_description,
    )


def _instant(text: str) -> str:
    moment = happened_at(text)
    return moment.isoformat() if moment else text
