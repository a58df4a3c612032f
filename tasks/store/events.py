"""The event log: what Coinflow sent, once per event, and what the rules read of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, case, or_, select, update

from tasks.coinflow.event import Event, Packet, read_event, read_packet, storable
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.fields import Payload
from tasks.coinflow.payloads import Unreadable
from tasks.errors import BodyGone, PayloadInvalid
from tasks.payments.facts import VERSION, Facts, extract, extract_unreadable
from tasks.payments.story import Statement
from tasks.payments.wallet import wallet_key
from tasks.store.many import among, insert_missing
from tasks.store.schema import events, handler_runs
from tasks.store.states import SetAside

#: What Coinflow sent is still there.
has_body = events.c.body != ""
_STORED = select(events.c.key, events.c.id, events.c.set_aside, events.c.payment_id).where(
    among(events.c.key, "keys")
)
# Not a join: before its tables are analyzed, PostgreSQL would read all runs for it.
_STATE = (
    select(handler_runs.c.state)
    .where(handler_runs.c.event_id == events.c.id, handler_runs.c.handler == bindparam("of"))
    .scalar_subquery()
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
        # Bodies may be large, and a payment may have hundreds. Of one that was pruned the facts stand.
        case((or_(events.c.facts_version == VERSION, ~has_body), None), else_=events.c.body).label("body"),
        _STATE.label("state"),
    )
    .where(among(events.c.payment_id, "payment_ids"), ~among(events.c.id, "without"))
    .order_by(events.c.id)
)
_DOUBTFUL = (
    select(events)
    .where(
        events.c.id > bindparam("after"),
        has_body,
        or_(
            events.c.facts_version.is_(None),
            events.c.facts_version != VERSION,
            events.c.set_aside.is_not(None),
        ),
    )
    .order_by(events.c.id)
    .limit(bindparam("limit"))
    # Against whoever lets go of a body, or of a buyer, before what was read of it is written.
    .with_for_update(key_share=True)
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

    @property
    def buyer(self) -> str | None:
        """The customer that it names, whatever its type, in the form that is compared."""
        return buyer_of(self.packet, self.facts)


class Stored(NamedTuple):
    """An event of the log."""

    id: int
    set_aside: str | None
    payment_id: str | None
    #: Whether it was stored just now.
    is_new: bool


class Told(NamedTuple):
    """What an event of a payment says."""

    payment_id: str
    number: int
    statement: Statement
    #: A `RunState`, or None where it does not go to the handler that is asked about.
    state: str | None


class Silent(NamedTuple):
    """An event that names a payment, and is another merchant's: it says nothing of it."""

    payment_id: str
    number: int
    #: As of `Told`.
    state: str | None


class Body(NamedTuple):
    """What came, and when."""

    text: str
    received_at: datetime


def insert_new(connection: Connection, arrivals: Collection[Arrival]) -> dict[str, Stored]:
    """Store the events whose keys are not there yet; return all of them as they are in the log, by key."""
    # One order for everybody: two intakes with the same keys would otherwise lock each other out.
    ordered = sorted(arrivals, key=lambda each: each.packet.key)
    columns = ("key", "id", "set_aside", "payment_id")
    rows = insert_missing(connection, events, [_row(each) for each in ordered], *columns)
    stored = {row.key: Stored(row.id, row.set_aside, row.payment_id, is_new=True) for row in rows}
    if others := [each.packet.key for each in ordered if each.packet.key not in stored]:
        rows = connection.execute(_STORED, {"keys": others}).all()
        stored |= {row.key: Stored(row.id, row.set_aside, row.payment_id, is_new=False) for row in rows}
    return stored


def recount(connection: Connection, event_id: int, arrival: Arrival) -> None:
    """Let an event that was stored count, or not, as it is read now."""
    values = {
        "set_aside": arrival.set_aside,
        "payment_id": arrival.packet.payment_id,
        "buyer": arrival.buyer,
        **_read(arrival.facts),
    }
    connection.execute(update(events).where(events.c.id == event_id).values(values))


def bodies(connection: Connection, event_ids: Collection[int]) -> dict[int, Body]:
    """Return events as they came, by number; the text is empty where it was removed."""
    if not event_ids:
        return {}
    query = select(events.c.id, events.c.body, events.c.received_at).where(events.c.id.in_(event_ids))
    return {row.id: Body(row.body, row.received_at) for row in connection.execute(query)}


def body_of(connection: Connection, event_id: int) -> str:
    """Return an event as it came. Raises BodyGone where that was removed."""
    text = bodies(connection, [event_id])[event_id].text
    if not text:
        raise BodyGone
    return text


def statements(
    connection: Connection, payment_ids: Collection[str], handler: str, without: Collection[int] = ()
) -> Sequence[Told]:
    """Return what events say for the rules, as `read` does."""
    return read(connection, payment_ids, handler, without)[0]


def read(
    connection: Connection, payment_ids: Collection[str], handler: str, without: Collection[int] = ()
) -> tuple[Sequence[Told], Sequence[Silent]]:
    """Return what events say for the rules, in the order of their numbers, and how far `handler` has come.

    Those of other merchants say nothing, and come apart; one that cannot be read says why. What is of an
    unknown type is left out. What an earlier version has read is read anew. `without` are numbers of events
    that are not wanted.
    """
    given = {"payment_ids": list(payment_ids), "of": handler, "without": list(without)}
    # Many events of a long payment say the same, and are read once.
    read_facts = cache(Facts.model_validate_json)
    told: list[Told] = []
    silent: list[Silent] = []
    for row in connection.execute(_STATEMENTS, given).all():
        # By their places: to ask a row for its columns by name takes longer than all else about it.
        number, payment_id, key, event_type, created, set_aside, text, body, state = row
        known = EVENT_TYPES.get(event_type)
        if known is None:
            continue
        facts = read_anew(row) if body is not None else read_facts(text) if text else None
        is_foreign = set_aside == SetAside.FOREIGN
        if facts and (facts.fault or not is_foreign):
            told.append(Told(payment_id, number, Statement(key, known, created, facts), state))
        elif is_foreign:
            silent.append(Silent(payment_id, number, state))
    return told, silent


def told_by(arrival: Arrival, event_id: int) -> Told | None:
    """Return what an event that has just been stored says for the rules; no handler has seen it."""
    packet = arrival.packet
    if packet.payment_id is None or (arrival.set_aside == SetAside.FOREIGN and not arrival.fault):
        return None
    known, facts = EVENT_TYPES.get(packet.event_type), arrival.facts
    if known is None or facts is None:
        return None
    return Told(packet.payment_id, event_id, Statement(packet.key, known, packet.created, facts), None)


def doubtful(connection: Connection, after: int, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return events after `after` that are set aside, or whose facts another version has extracted.

    They keep what they are until the transaction ends.
    """
    return connection.execute(_DOUBTFUL, {"after": after, "limit": limit}).all()


def refresh(connection: Connection, event_id: int, packet: Packet, facts: Facts | None) -> None:
    """Keep what this version reads of an event."""
    values = {"payment_id": packet.payment_id, "buyer": buyer_of(packet, facts), **_read(facts)}
    connection.execute(update(events).where(events.c.id == event_id).values(values))


def buyer_of(packet: Packet, facts: Facts | None) -> str | None:
    """Return the customer that an event names, also one of no payment, in the form that is compared."""
    # Few events have facts that name nobody, and read again what they carry.
    named = (facts and facts.customer) or Unreadable.model_validate(packet.data).customer_id
    return storable(wallet_key(named)) if named else None


def facts_text(facts: Facts | None) -> str | None:
    """Return an event's facts as they are stored."""
    return facts.model_dump_json(exclude_defaults=True) if facts else None


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
        "buyer": arrival.buyer,
        **_read(arrival.facts),
    }
