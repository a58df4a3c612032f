"""Endpoints, as they are read: whom changes are told, how they fare, and what waits for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, func, literal, select

from tasks.store.clock import clock
from tasks.store.notifications import in_flight, next_due
from tasks.store.schema import endpoints, notifications
from tasks.store.states import GIVEN_UP, EndpointState, NotificationState
from tasks.store.views.records import written, written_in

#: No process is configured to tell it.
REMOVED = "removed"
#: Counts end here: so many, or more.
MOST = 10_000

_N = notifications.c


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLine:
    """An endpoint in one line."""

    name: str
    #: A URL with a mark for its query, or the name of a function.
    address: str
    #: An `EndpointState`, or removed.
    state: str
    since: datetime
    #: Why it is held or paused.
    reason: str | None
    #: Who paused it; None for its own answer.
    paused_by: str | None
    #: What it is yet to be told, up to `MOST`.
    pending: int
    #: What of that waits for an earlier change of its payment, up to `MOST`.
    waiting: int
    #: What is being tried.
    in_flight: int
    #: When the next one may be tried, or since when it could be.
    due_at: datetime | None
    #: What was given up and waits for an operator, up to `MOST`.
    dead: int
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str | None
    #: While it is held: how many may be in flight at once, and when a probe may begin where none may.
    allowance: int | None
    next_probe_at: datetime | None


def list_endpoints(connection: Connection) -> tuple[EndpointLine, ...]:
    """Return all endpoints that ever were, by name."""
    now = clock(connection)
    rows = connection.execute(select(endpoints).order_by(endpoints.c.name)).mappings()
    return tuple(_line(connection, row, now) for row in rows.all())


def endpoint_names(connection: Connection) -> Sequence[str]:
    """Return the names of all endpoints that ever were."""
    return connection.execute(select(endpoints.c.name).order_by(endpoints.c.name)).scalars().all()


def told_endpoints(connection: Connection) -> Sequence[str]:
    """Return the names of those that are told of changes."""
    query = select(endpoints.c.name).where(endpoints.c.removed_at.is_(None)).order_by(endpoints.c.name)
    return connection.execute(query).scalars().all()


def _line(connection: Connection, row: RowMapping, now: datetime) -> EndpointLine:
    name = row["name"]
    is_held = row["state"] == EndpointState.HELD
    waiting = _counted(connection, _WAITING, name)
    return EndpointLine(
        name=name,
        address=row["address"],
        state=REMOVED if row["removed_at"] else row["state"],
        since=row["removed_at"] or row["since"],
        reason=row["reason"],
        paused_by=row["paused_by"],
        pending=min(MOST, _counted(connection, _CLAIMABLE, name) + waiting),
        waiting=waiting,
        in_flight=in_flight(connection, name, now),
        due_at=next_due(connection, name),
        dead=_counted(connection, _DEAD, name),
        last_success_at=row["last_success_at"],
        last_failure_at=row["last_failure_at"],
        last_error=row["last_error"],
        allowance=row["allowance"] if is_held else None,
        next_probe_at=row["probe_at"] if is_held and not row["allowance"] else None,
    )


def _counted(connection: Connection, statement: Any, name: str) -> int:
    return int(connection.execute(statement, {"of": name}).scalar_one())


def _count(order: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Any:
    # In the order of an index that holds these alone; a database may otherwise look through all there are.
    found = select(literal(1).label("one")).where(_N.endpoint == bindparam("of"), *conditions)
    return select(func.count()).select_from(found.order_by(order).limit(MOST).subquery())


_CLAIMABLE = _count(_N.due_at, _N.due_at.is_not(None))
_WAITING = _count(_N.created_at, _N.state == written(NotificationState.PENDING), _N.due_at.is_(None))
_DEAD = _count(_N.state, written_in(_N.state, GIVEN_UP), _N.state == written(NotificationState.DEAD))
