"""Payments that ask for a person, each with the reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, ScalarSelect, Select, and_, func, or_, select

from tasks.payments.note import Note, NoteReason
from tasks.payments.states import DecisionStatus
from tasks.store.notes import read_notes
from tasks.store.schema import payments
from tasks.store.views.payments import PaymentFilter, meant

_EVERY_PAYMENT = PaymentFilter()
#: Money was taken, and has not gone back.
_TAKEN = (
    DecisionStatus.GRANTED,
    DecisionStatus.SUSPENDED,
    DecisionStatus.UNMATCHED,
    DecisionStatus.REFUSED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionLine:
    """One thing that a person should look at."""

    payment_id: str
    #: A `DecisionStatus`.
    state: str
    #: A `NoteReason`.
    reason: str
    #: By when a dispute must be answered, as an instant in UTC where it is one.
    respond_by_date: str | None
    message: str
    updated_at: datetime


def list_attention(
    connection: Connection, chosen: PaymentFilter = _EVERY_PAYMENT
) -> tuple[AttentionLine, ...]:
    """Return what a person should look at of the payments that are meant.

    What must be answered soonest comes first; so many payments are told of as the filter says.
    """
    soonest = (
        payments.c.respond_by_date.is_(None),
        payments.c.respond_by_date,
        payments.c.updated_at,
        payments.c.id,
    )
    query = _asking().where(payments.c.is_done.is_(False)).order_by(*soonest).limit(chosen.limit)
    query = meant(query, chosen)
    return tuple(line for row in connection.execute(query) for line in _lines(row))


def notes_of(connection: Connection, payment_id: str) -> tuple[AttentionLine, ...]:
    """Return what a person should look at, or has looked at, of a payment."""
    query = _asking().where(payments.c.id == payment_id)
    return tuple(line for row in connection.execute(query) for line in _lines(row))


def _asking() -> Select[Any]:
    earlier = _earlier_of_order()
    return select(
        payments.c.id,
        payments.c.decision,
        payments.c.notes,
        payments.c.order_id,
        payments.c.updated_at,
        earlier.label("earlier"),
    ).where(
        or_(
            payments.c.notes.is_not(None),
            # An earlier release has decided it, and left neither verdicts nor notes.
            and_(
                payments.c.verdicts.is_(None),
                payments.c.decision.in_([DecisionStatus.REFUSED, DecisionStatus.UNMATCHED]),
            ),
            and_(
                # Asked first, for most orders have one payment and most payments an order.
                payments.c.order_id.in_(_paid_twice()),
                payments.c.decision.in_(_TAKEN),
                earlier.is_not(None),
            ),
        )
    )


def _paid_twice() -> Select[Any]:
    return (
        select(payments.c.order_id)
        .where(payments.c.order_id.is_not(None))
        .group_by(payments.c.order_id)
        .having(func.count() > 1)
    )


def _earlier_of_order() -> ScalarSelect[str]:
    """Return the payment of the same order that was paid before, if there is one."""
    other = payments.alias("other")
    return (
        select(func.min(other.c.id))
        .where(
            other.c.order_id == payments.c.order_id,
            other.c.decision.in_(_TAKEN),
            or_(
                other.c.paid_at < payments.c.paid_at,
                and_(other.c.paid_at.is_not(None), payments.c.paid_at.is_(None)),
                and_(other.c.paid_at.is_not_distinct_from(payments.c.paid_at), other.c.id < payments.c.id),
            ),
        )
        .correlate(payments)
        .scalar_subquery()
    )


def _lines(row: Row[*tuple[Any, ...]]) -> Iterator[AttentionLine]:
    for note in _notes(row):
        yield AttentionLine(
            payment_id=row.id,
            state=row.decision,
            reason=note.reason,
            respond_by_date=note.respond_by_date,
            message=note.message,
            updated_at=row.updated_at,
        )


def _notes(row: Row[*tuple[Any, ...]]) -> list[Note]:
    notes = read_notes(row.notes)
    if row.earlier is not None and row.decision in _TAKEN:
        message = f"Order {row.order_id} was paid before: payment {row.earlier}."
        notes.append(Note(reason=NoteReason.ORDER_PAID_TWICE, message=message))
    if not notes:
        message = "An earlier release has decided this; `coinflowctl events reread` looks at it again."
        notes.append(Note(reason=NoteReason(row.decision), message=message))
    return notes
