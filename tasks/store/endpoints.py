"""Endpoints: whom changes are told, as processes are configured, and how each of them fares."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, and_, bindparam, exists, func, select, update

from tasks.endpoint_address import is_same
from tasks.log import Log
from tasks.store import notification_order
from tasks.store.dialects import insert
from tasks.store.schema import endpoints, notifications
from tasks.store.states import EndpointState

#: How long an endpoint may be without one success before it is told of.
SILENCE = timedelta(days=5)

#: What a try came to that failed for a passing reason, and any that is put off for its failure.
PASSING = ("transient",)
PUT_OFF = (*PASSING, "refused")

_log = Log(__name__)

_E = endpoints.c
#: The names of those that are told, in one text.
NAMES = select(func.aggregate_strings(_E.name, ",")).where(_E.removed_at.is_(None)).scalar_subquery()
# Held: another process, or a person, may be about to say otherwise.
_ALL = (
    select(_E.name, _E.address, _E.configured_at, _E.removed_at, _E.paused_by)
    .order_by(_E.name)
    .with_for_update()
)
_HOLD = select(endpoints).where(_E.name == bindparam("of")).with_for_update()
_DUE = select(_E.name).where(
    _E.removed_at.is_(None),
    _E.state != EndpointState.PAUSED.value,
    exists().where(notifications.c.endpoint == _E.name, notifications.c.due_at <= bindparam("now")),
)
#: When an endpoint last took something, or was made known, and whether a try has failed since.
HEARD = func.coalesce(_E.last_success_at, _E.added_at, type_=_E.added_at.type)
FAILS = and_(_E.last_failure_at.is_not(None), _E.last_failure_at > HEARD)
_SILENT = select(_E.name, HEARD.label("heard")).where(
    _E.removed_at.is_(None), FAILS, bindparam("since", type_=_E.added_at.type) > HEARD
)
#: What an endpoint is like that nothing speaks against.
_OPEN: Mapping[str, object] = {
    "state": EndpointState.OPEN,
    "reason": None,
    "paused_by": None,
    "failures": 0,
    "failed_payments": None,
    "allowance": None,
    "probe_at": None,
    "probe_wait": None,
}


def split_names(joined: str | None) -> Sequence[str]:
    """Return the names in what `NAMES` selects."""
    return sorted(joined.split(",")) if joined else ()


def configure(
    connection: Connection, addresses: Mapping[str, str], now: datetime, as_of: datetime | None = None
) -> None:
    """Let these endpoints be told, by name, and no others.

    `as_of` is when the process started whose environment says so, now unless given: what one says that
    started before another changes nothing. One that has another address now is open, unless a person has
    paused it, and what has failed is due at once: that was the former one's.
    """
    as_of = as_of or now
    known = {row.name: row for row in connection.execute(_ALL)}
    # One of a clock that was ahead counts for nothing: nobody else would be heard until that time.
    if any(as_of < row.configured_at <= now for row in known.values()):
        _log.info("endpoints.configured_since", started_at=as_of.isoformat())
        return
    # Also where nothing else changes: a process that started in between must not have its way.
    if others := [name for name, row in known.items() if row.configured_at != as_of]:
        connection.execute(update(endpoints).where(_E.name.in_(others)).values(configured_at=as_of))
    for name in sorted(known.keys() - addresses.keys()):
        if known[name].removed_at is None:
            save(connection, name, {"removed_at": now})
            _log.warning("endpoint.removed", endpoint=name, reason="No variable and no function names it.")
    for name, address in sorted(addresses.items()):
        there = known.get(name)
        if there is None:
            row = {
                "name": name,
                "address": address,
                "added_at": now,
                "configured_at": as_of,
                "since": now,
                **_OPEN,
            }
            connection.execute(
                insert(connection.dialect.name, endpoints).values(row).on_conflict_do_nothing()
            )
        elif there.address != address or there.removed_at:
            _change(connection, there, address, now)


def _change(connection: Connection, there: Row[*tuple[Any, ...]], address: str, now: datetime) -> None:
    save(connection, there.name, {"address": address, "removed_at": None})
    is_another = not is_same(there.address, address)
    if is_another or there.removed_at:
        notification_order.begin_anew(connection, there.name, now)
    if is_another:
        if not there.paused_by:
            reset(connection, there.name, now)
        notification_order.hasten_all(connection, there.name, PUT_OFF, now)


def hold(connection: Connection, name: str) -> RowMapping | None:
    """Return an endpoint, and keep it as it is for this transaction; None where there is none."""
    return connection.execute(_HOLD, {"of": name}).mappings().one_or_none()


def save(connection: Connection, name: str, values: Mapping[str, Any]) -> None:
    """Keep what an endpoint is like."""
    connection.execute(update(endpoints).where(_E.name == name).values(values))


def reset(connection: Connection, name: str, now: datetime) -> None:
    """Let an endpoint be told without restraint."""
    save(connection, name, {**_OPEN, "since": now})


def due(connection: Connection, now: datetime) -> Sequence[str]:
    """Return the endpoints that something is due for."""
    return connection.execute(_DUE, {"now": now}).scalars().all()


def silent(connection: Connection, since: datetime) -> Sequence[tuple[str, datetime]]:
    """Return the endpoints that failed and have had no success since a time, with their last one's time."""
    rows = connection.execute(_SILENT, {"since": since})
    return [(row.name, row.heard) for row in rows]
