"""The event log: what Coinflow sent, once per event, and what the rules read of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, case, or_, select, update

from tasks.coinflow.event import Event, Packet, read_event, read_packet
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.fields import Payload
from tasks.errors import PayloadInvalid
from tasks.payments.facts import VERSION, Facts, extract, extract_unreadable
from tasks.payments.story import Statement
from tasks.store.database import insert_missing
from tasks.store.schema import events
from tasks.store.states import SetAside

_STORED = select(events.c.key, events.c.id, events.c.set_aside).where(
    events.c.key.in_(bindparam("keys", expanding=True))
)
_STATEMENTS = (
    select(
        events.c.id,
        events.c.payment_id,
        events.c.key,
        events.c.event_type,
        events.c.created,
        events.c.set_aside,
        events.c.facts,
        # Bodies may be large, and a payment may have hundreds.
        case((events.c.facts_version == VERSION, None), else_=events.c.body).label("body"),
    )
    .where(events.c.payment_id.in_(bindparam("payment_ids", expanding=True)))
    .order_by(events.c.payment_id, events.c.id)
)
_DOUBTFUL = (
    select(events)
    .where(
        events.c.id > bindparam("after"),
        or_(
            events.c.facts_version.is_(None),
            events.c.facts_version != VERSION,
            events.c.set_aside.is_not(None),
        ),
    )
    .order_by(events.c.id)
    .limit(bindparam("limit"))
)


# Without slots, for its facts are asked for again where the merchant knows the orders.
@dataclass(frozen=True)
class Arrival:
    """An event that has come."""

    packet: Packet
    body: str
    received_at: datetime
    #: Typed, or None where it does not fit its type or is of a type that nobody knows.
    event: Event[Payload] | None = None
    set_aside: SetAside | None = None
    #: Why it cannot be read.
    fault: PayloadInvalid | None = None

    @cached_property
    def facts(self) -> Facts | None:
        """What it says for the rules, or None where its type is one that nobody knows."""
        if self.fault:
            return extract_unreadable(self.packet, str(self.fault))
        return extract(self.event) if self.event else None


class Stored(NamedTuple):
    """An event of the log."""

    id: int
    set_aside: str | None


class Body(NamedTuple):
    """What came, and when."""

    text: str
    received_at: datetime


def insert_new(connection: Connection, arrivals: Collection[Arrival]) -> dict[str, Stored]:
    """Store the events whose keys are not there yet; return all of them as they are in the log, by key."""
    # One order for everybody: two intakes with the same keys would otherwise lock each other out.
    ordered = sorted(arrivals, key=lambda each: each.packet.key)
    insert_missing(connection, events, [_row(each) for each in ordered])
    rows = connection.execute(_STORED, {"keys": [each.packet.key for each in ordered]})
    return {row.key: Stored(row.id, row.set_aside) for row in rows}


def recount(connection: Connection, event_id: int, arrival: Arrival) -> None:
    """Let an event that was set aside count, or not, as it is read now."""
    values = {
        "set_aside": arrival.set_aside,
        "payment_id": arrival.packet.payment_id,
        **_read(arrival.facts),
    }
    connection.execute(update(events).where(events.c.id == event_id).values(values))


def bodies(connection: Connection, event_ids: Collection[int]) -> dict[int, Body]:
    """Return events as they came, by number."""
    if not event_ids:
        return {}
    query = select(events.c.id, events.c.body, events.c.received_at).where(events.c.id.in_(event_ids))
    return {row.id: Body(row.body, row.received_at) for row in connection.execute(query)}


def statements(connection: Connection, payment_ids: Collection[str]) -> Sequence[tuple[str, int, Statement]]:
    """Return what events say for the rules, each with its payment and its number.

    Those of other merchants say nothing; one that cannot be read says why. What an earlier version has
    read is read anew.
    """
    rows = connection.execute(_STATEMENTS, {"payment_ids": list(payment_ids)})
    found = ((row.payment_id, row.id, _statement(row)) for row in rows)
    return [(payment, number, said) for payment, number, said in found if said]


def doubtful(connection: Connection, after: int, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return events after `after` that are set aside, or whose facts another version has extracted."""
    return connection.execute(_DOUBTFUL, {"after": after, "limit": limit}).all()


def refresh(connection: Connection, event_id: int, packet: Packet, facts: Facts | None) -> None:
    """Keep what this version reads of an event."""
    values = {"payment_id": packet.payment_id, **_read(facts)}
    connection.execute(update(events).where(events.c.id == event_id).values(values))


def facts_text(facts: Facts | None) -> str | None:
    """Return an event's facts as they are stored."""
    return facts.model_dump_json(exclude_defaults=True) if facts else None


def _statement(row: Row[*tuple[Any, ...]]) -> Statement | None:
    known = EVENT_TYPES.get(row.event_type)
    said = _facts(row) if known else None
    if known is None or said is None or (row.set_aside == SetAside.FOREIGN and not said.fault):
        return None
    return Statement(row.key, known, row.created, said)


def _facts(row: Row[*tuple[Any, ...]]) -> Facts | None:
    if row.body is None:
        return Facts.model_validate_json(row.facts) if row.facts else None
    return read_anew(row)


def read_anew(row: Row[*tuple[Any, ...]]) -> Facts | None:
    """Return what an event of the log says for the rules, by its body."""
    packet = read_packet(row.body)
    try:
        event = read_event(packet)
    except PayloadInvalid as fault:
        # What an earlier version could read stands.
        if row.facts and row.set_aside is None:
            return Facts.model_validate_json(row.facts)
        return extract_unreadable(packet, str(fault))
    if event and event.merchant_fault and row.set_aside == SetAside.FOREIGN:
        return extract_unreadable(packet, str(event.merchant_fault))
    return extract(event) if event else None


def _read(facts: Facts | None) -> dict[str, object]:
    return {"facts": facts_text(facts), "facts_version": VERSION}


def _row(arrival: Arrival) -> dict[str, object]:
    packet = arrival.packet
    return {
        "key": packet.key,
        "event_type": packet.event_type,
        "payment_id": packet.payment_id,
        "created": packet.created,
        "received_at": arrival.received_at.astimezone(UTC),
        "body": arrival.body,
        "set_aside": arrival.set_aside,
        **_read(arrival.facts),
    }
