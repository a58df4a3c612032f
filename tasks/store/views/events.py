"""The event log, as it is read."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, or_, select

from tasks.payments.wallet import wallet_key
from tasks.store.schema import events, handler_runs
from tasks.store.states import RunState, SetAside
from tasks.store.views.records import between, equal, newest_last

_OF_RUNS = (
    select(
        case(
            (func.sum(case((handler_runs.c.state == RunState.DEAD, 1), else_=0)) > 0, "dead"),
            (func.sum(case((handler_runs.c.state == RunState.PENDING, 1), else_=0)) > 0, "pending"),
            (func.sum(case((handler_runs.c.state == RunState.DISCARDED, 1), else_=0)) > 0, "discarded"),
            else_="handled",
        )
    )
    .where(handler_runs.c.event_id == events.c.id)
    .scalar_subquery()
)
_STATE = case((events.c.set_aside == SetAside.FOREIGN, SetAside.FOREIGN.value), else_=_OF_RUNS)

#: What an event can be; an invalid one is shown as dead, or as discarded.
STATES = ("handled", "pending", "dead", "discarded", *(each.value for each in SetAside))


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are meant; what is None excludes none. Times are aware."""

    event_type: str | None = None
    payment_id: str | None = None
    #: The buyer that they name, in any spelling.
    wallet: str | None = None
    #: The item that they name, in a cart, too.
    item: str | None = None
    #: What they say was paid.
    cents: int | None = None
    #: One of `STATES`.
    state: str | None = None
    #: Received at this time or later.
    since: datetime | None = None
    #: Received before this time.
    until: datetime | None = None
    #: The newest so many.
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """An event in one line."""

    id: int
    event_type: str
    payment_id: str | None
    #: When Coinflow says it happened, as it wrote it.
    created: str
    received_at: datetime
    #: One of handled, pending, dead, discarded, foreign.
    state: str


def list_events(connection: Connection, chosen: EventFilter) -> tuple[EventLine, ...]:
    """Return the newest events that are meant."""
    # A page of a range of time is read from the index of its times; the two orders differ by seconds.
    order = [events.c.received_at.desc()] if chosen.since or chosen.until else []
    query = event_lines().order_by(*order, events.c.id.desc()).limit(chosen.limit)
    query = equal(query, (events.c.event_type, chosen.event_type), (events.c.payment_id, chosen.payment_id))
    query = between(query, events.c.received_at, chosen.since, chosen.until)
    if chosen.wallet is not None:
        query = query.where(events.c.buyer == wallet_key(chosen.wallet))
    if chosen.item is not None:
        query = query.where(_says("item", json.dumps(chosen.item, ensure_ascii=False)))
    if chosen.cents is not None:
        price = f'"price":{{"cents":{chosen.cents}'
        query = query.where(or_(*(events.c.facts.contains(price + end) for end in ",}")))
    if chosen.state:
        # Few are set aside, and they have an index.
        of = events.c.set_aside if chosen.state in set(SetAside) else _STATE
        query = query.where(of == chosen.state)
    return newest_last(connection, query, EventLine)


def _says(name: str, value: str) -> ColumnElement[bool]:
    """Return the condition that the rules read this member of what an event says."""
    return events.c.facts.contains(f'"{name}":{value}', autoescape=True)


def state_of(connection: Connection, key: str) -> str | None:
    """Return an event's state, or None if there is none of this key."""
    return connection.scalar(select(_STATE).where(events.c.key == key))


def event_lines() -> Select[Any]:
    """Return the query of `EventLine`s, of all events and in no order."""
    return select(
        events.c.id,
        events.c.event_type,
        events.c.payment_id,
        events.c.created,
        events.c.received_at,
        _STATE.label("state"),
    )
