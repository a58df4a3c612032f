"""The event log: what Coinflow sent, once per event, and what the rules read of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, case, or_, select, update

from tasks.coinflow.event import Event, Packet, read_event, read_packet
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.fields import Payload
from tasks.errors import PayloadInvalid
from tasks.payments import facts
from tasks.payments.facts import Facts, Statement, extract
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
        events.c.facts,
        # Bodies may be large, and a payment may have hundreds.
        case((events.c.facts_version == facts.VERSION, None), else_=events.c.body).label("body"),
    )
    .where(
        events.c.payment_id.in_(bindparam("payment_ids", expanding=True)),
        events.c.set_aside.is_(None),
    )
    .order_by(events.c.payment_id, events.c.id)
)
_STALE = (
    select(events)
    .where(
        events.c.id > bindparam("after"),
        or_(events.c.facts_version.is_(None), events.c.facts_version != facts.VERSION),
    )
    .order_by(events.c.id)
    .limit(bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that has come."""

    packet: Packet
    body: str
    received_at: datetime
    #: Typed, or None where it does not fit its type or is of a type that nobody knows.
    event: Event[Payload] | None = None
    set_aside: SetAside | None = None
    #: Why it does not fit its type.
    fault: PayloadInvalid | None = None


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


def count_in(connection: Connection, event_id: int, event: Event[Payload] | None) -> None:
    """Let an event count that was set aside."""
    values = {"set_aside": None, **_read(event)}
    connection.execute(update(events).where(events.c.id == event_id).values(values))


def bodies(connection: Connection, event_ids: Collection[int]) -> dict[int, Body]:
    """Return events as they came, by number."""
    if not event_ids:
        return {}
    query = select(events.c.id, events.c.body, events.c.received_at).where(events.c.id.in_(event_ids))
    return {row.id: Body(row.body, row.received_at) for row in connection.execute(query)}


def statements(
    connection: Connection, payment_ids: Collection[str]
) -> Sequence[tuple[str, int, Statement | PayloadInvalid]]:
    """Return the events that count: payment, number, and what it says for the rules.

    What an earlier version has read is read anew; in the place of what does not fit its type any more, and
    that no version has read, stands why.
    """
    rows = connection.execute(_STATEMENTS, {"payment_ids": list(payment_ids)})
    found = ((row.payment_id, row.id, _statement(row)) for row in rows)
    return [(payment, number, said) for payment, number, said in found if said]


def stale(connection: Connection, after: int, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return events after the one numbered `after` whose facts another version has extracted, or none."""
    return connection.execute(_STALE, {"after": after, "limit": limit}).all()


def refresh(connection: Connection, event_id: int, packet: Packet, event: Event[Payload] | None) -> None:
    """Keep what this version reads of an event."""
    values = {"payment_id": packet.payment_id, **_read(event)}
    connection.execute(update(events).where(events.c.id == event_id).values(values))


def facts_text(event: Event[Payload] | None) -> str | None:
    """Return an event's facts as they are stored."""
    return extract(event).model_dump_json(exclude_defaults=True) if event else None


def _statement(row: Row[*tuple[Any, ...]]) -> Statement | PayloadInvalid | None:
    if row.body is not None:
        try:
            event = read_event(read_packet(row.body))
        except PayloadInvalid as fault:
            if row.facts is None:
                return fault
        else:
            return facts.state(event) if event else None
    known = EVENT_TYPES.get(row.event_type)
    if known is None or row.facts is None:
        return None
    return Statement(row.key, known, row.created, Facts.model_validate_json(row.facts))


def _read(event: Event[Payload] | None) -> dict[str, object]:
    return {"facts": facts_text(event), "facts_version": facts.VERSION}


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
        **_read(arrival.event),
    }
