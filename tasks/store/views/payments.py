"""Payments, as they are read in one line; `payment_story` tells all of one."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, or_, select

from tasks.payments.states import DecisionStatus
from tasks.store.schema import grants, payments
from tasks.store.views.records import between, equal, newest_last, records
from tasks.store.views.spellings import is_wallet


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """Which payments are meant; what is None excludes none."""

    state: DecisionStatus | None = None
    #: Who paid it or gets it, in any spelling.
    wallet: str | None = None
    #: The price that was paid.
    cents: int | None = None
    #: An item that they granted, or are asked for.
    item: str | None = None
    #: Changed at this time or later.
    since: datetime | None = None
    #: Changed before this time.
    until: datetime | None = None
    #: Those that changed last, so many.
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentLine:
    """A payment in one line; all but its id is unknown until it is decided."""

    payment_id: str
    #: A `DecisionStatus`.
    state: str | None = None
    #: Whose it is, by what the events or a person say.
    wallet: str | None = None
    #: Who paid, where somebody else gets it.
    payer: str | None = None
    cents: int | None = None
    currency: str | None = None
    refunded_cents: int = 0
    #: The accepted price list by which its price was last checked.
    price_list_id: int | None = None
    #: The merchant's own id of the order.
    order_id: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantLine:
    """What a wallet holds of the payment."""

    wallet: str
    item: str
    quantity: int
    status: str


def list_payments(connection: Connection, chosen: PaymentFilter) -> tuple[PaymentLine, ...]:
    """Return the payments that are meant, the one that changed last at the end."""
    query = payment_lines().order_by(payments.c.updated_at.desc(), payments.c.id).limit(chosen.limit)
    return newest_last(connection, meant(query, chosen), PaymentLine)


def meant(query: Select[Any], chosen: PaymentFilter) -> Select[Any]:
    """Return the query for those payments alone that are meant, however many."""
    query = equal(query, (payments.c.decision, chosen.state), (payments.c.cents, chosen.cents))
    query = between(query, payments.c.updated_at, chosen.since, chosen.until)
    if chosen.item is not None:
        query = query.where(_is_about(chosen.item))
    if chosen.wallet is None:
        return query
    return query.where(
        or_(is_wallet(payments.c.payer, chosen.wallet), is_wallet(payments.c.wallet, chosen.wallet))
    )


def _is_about(item: str) -> ColumnElement[bool]:
    """Return the condition that a payment granted an item, or that a price list was asked for it."""
    granted = select(grants.c.payment_id).where(grants.c.payment_id == payments.c.id, grants.c.item == item)
    # What was asked is JSON within JSON.
    asked = json.dumps(f'"item":{json.dumps(item, ensure_ascii=False)}', ensure_ascii=False)[1:-1]
    return or_(granted.exists(), payments.c.verdicts.contains(asked, autoescape=True))


def grants_of(connection: Connection, payment_id: str) -> tuple[GrantLine, ...]:
    """Return what is held of a payment."""
    query = select(grants.c.wallet, grants.c.item, grants.c.quantity, grants.c.status)
    return records(
        connection, query.where(grants.c.payment_id == payment_id).order_by(grants.c.item), GrantLine
    )


def payment_lines() -> Select[Any]:
    """Return the query of `PaymentLine`s, of all payments and in no order."""
    return select(
        payments.c.id.label("payment_id"),
        payments.c.decision.label("state"),
        payments.c.wallet,
        payments.c.payer,
        payments.c.cents,
        payments.c.currency,
        payments.c.refunded_cents,
        payments.c.price_list_id,
        payments.c.order_id,
        payments.c.updated_at,
    )
