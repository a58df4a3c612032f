"""What a table's rows add to the totals; each function counts those after one number up to another."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Float, Select, Table, bindparam, case, extract, func, select

from tasks.coinflow.event_types import EVENT_TYPES
from tasks.payments.states import GrantStatus
from tasks.store.schema import events, ledger_entries, notifications

#: By the name of a total and its labels.
Counts: TypeAlias = Mapping[tuple[str, tuple[str, ...]], float]

#: Upper bounds, in seconds, of how long a grant may take.
_DELAYS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0)
#: What the totals of each are known by; what takes longer has a last class of its own.
CLASSES = (*map(str, _DELAYS), "+Inf")
#: An event type that this version does not know: anything may be written there.
UNKNOWN = "unknown"


def received(connection: Connection, after: int, until: int) -> Counts:
    """Count events by their types."""
    counts: dict[tuple[str, tuple[str, ...]], float] = {}
    for event_type, number in connection.execute(_RECEIVED, {"after": after, "until": until}):
        key = ("events", (label(event_type),))
        counts[key] = counts.get(key, 0) + number
    return counts


def label(event_type: str) -> str:
    """Return what an event type is called among labels, of which there must be few."""
    return event_type if event_type in EVENT_TYPES else UNKNOWN


def moved(connection: Connection, after: int, until: int) -> Counts:
    """Count entries by their status; and items that are granted for the first time, with what that took."""
    given = {"after": after, "until": until}
    counts: dict[tuple[str, tuple[str, ...]], float] = {
        ("ledger_entries", (status,)): number for status, number in connection.execute(_MOVED, given)
    }
    for delay, number, seconds in connection.execute(_granted(connection.dialect.name), given):
        counts["grants", ()] = counts.get(("grants", ()), 0) + number
        # A person's word comes when it comes.
        if delay is not None:
            counts["grant_delays", (CLASSES[delay],)] = number
            counts["grant_delay_sum", ()] = counts.get(("grant_delay_sum", ()), 0) + float(seconds)
    return counts


def queued(connection: Connection, after: int, until: int) -> Counts:
    """Count notifications by their endpoints."""
    rows = connection.execute(_QUEUED, {"after": after, "until": until})
    return {("notifications", (endpoint,)): number for endpoint, number in rows}


def _between(table: Table) -> Sequence[ColumnElement[bool]]:
    return (table.c.id > bindparam("after"), table.c.id <= bindparam("until"))


def _by(table: Table, column: ColumnElement[Any]) -> Select[Any]:
    return select(column, func.count()).where(*_between(table)).group_by(column)


_RECEIVED = _by(events, events.c.event_type)
_MOVED = _by(ledger_entries, ledger_entries.c.status)
_QUEUED = _by(notifications, notifications.c.endpoint)


@cache
def _granted(dialect: str) -> Select[Any]:
    entry, earlier = ledger_entries.c, ledger_entries.alias()
    seconds = _seconds(dialect, entry.created_at, events.c.received_at)
    # A worker's clock may be behind the receiver's.
    seconds = case((seconds < 0, 0.0), else_=seconds)
    classes = [(seconds <= most, number) for number, most in enumerate(_DELAYS)]
    of_an_event = entry.action_id.is_(None)
    delay = case((~of_an_event, None), *classes, else_=len(_DELAYS))
    is_first = ~(
        select(earlier.c.id)
        .where(
            earlier.c.payment_id == entry.payment_id,
            earlier.c.item == entry.item,
            earlier.c.status == GrantStatus.GRANTED,
            earlier.c.id < entry.id,
        )
        .exists()
    )
    return (
        select(delay.label("delay"), func.count(), func.sum(seconds))
        .join(events, events.c.id == entry.event_id)
        .where(*_between(ledger_entries), entry.status == GrantStatus.GRANTED, is_first)
        .group_by("delay")
    )


def _seconds(dialect: str, later: ColumnElement[Any], earlier: ColumnElement[Any]) -> ColumnElement[Any]:
    if dialect == "postgresql":
        return extract("epoch", later - earlier)
    return (func.julianday(later, type_=Float) - func.julianday(earlier, type_=Float)) * 86_400.0
