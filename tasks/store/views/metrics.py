"""What metrics tell of the database: one look, from which all numbers come."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Select, and_, case, func, select, union_all

from tasks.store import totals
from tasks.store.clock import clock
from tasks.store.counting import label
from tasks.store.dead_letters import RUN_OF_LETTER
from tasks.store.endpoints import FAILS, HEARD
from tasks.store.schema import dead_letters, endpoints, events, handler_runs, notifications, sweeps
from tasks.store.states import GIVEN_UP, EndpointState, NotificationState, RunState, SetAside
from tasks.store.views.records import written, written_in

#: What a number is told by.
Labels: TypeAlias = tuple[str, ...]

_N, _R = notifications.c, handler_runs.c
_IS_PENDING = _R.state == written(RunState.PENDING)
#: Of several runs the one that asks for most speaks for its event.
_RANKS = (RunState.DISCARDED, RunState.PENDING, RunState.DEAD)
_RANK = case(*((_R.state == state, rank) for rank, state in enumerate(_RANKS)))
_OPEN_RUNS = union_all(
    select(_R.event_id, _RANK.label("rank")).where(_IS_PENDING),
    # What is given up has a letter; there is no index of its runs.
    select(_R.event_id, _RANK.label("rank")).join(dead_letters, RUN_OF_LETTER).where(~_IS_PENDING),
).subquery()
_OPEN = (
    select(_OPEN_RUNS.c.event_id, func.max(_OPEN_RUNS.c.rank).label("rank"))
    .group_by(_OPEN_RUNS.c.event_id)
    .subquery()
)
_OPEN_EVENTS = (
    select(events.c.event_type, _OPEN.c.rank, func.count())
    .join(_OPEN, _OPEN.c.event_id == events.c.id)
    .where(events.c.set_aside.is_distinct_from(SetAside.FOREIGN.value))
    .group_by(events.c.event_type, _OPEN.c.rank)
)
# No bare column: SQLite would go through all events in the order of its index.
_TYPE = func.coalesce(events.c.event_type, "")
_FOREIGN_EVENTS = (
    select(_TYPE, func.count())
    .where(events.c.set_aside.is_not(None), events.c.set_aside == written(SetAside.FOREIGN))
    .group_by(_TYPE)
)
_LAST_EVENT = select(func.max(events.c.received_at))
_OLDEST_RUNS = select(_R.handler, func.min(_R.event_id)).where(_IS_PENDING).group_by(_R.handler)
_LETTERS = (
    select(dead_letters.c.handler, dead_letters.c.error, _R.state, func.count())
    .join(handler_runs, RUN_OF_LETTER)
    .group_by(dead_letters.c.handler, dead_letters.c.error, _R.state)
)
_IS_DUE = _N.due_at.is_not(None)
_DUE = select(_N.endpoint, func.count()).where(_IS_DUE).group_by(_N.endpoint)
_WAITING = (
    select(_N.endpoint, func.count())
    .where(_N.state == written(NotificationState.PENDING), _N.due_at.is_(None))
    .group_by(_N.endpoint)
)
_GIVEN_UP = (
    select(_N.endpoint, _N.state, func.count())
    .where(written_in(_N.state, GIVEN_UP))
    .group_by(_N.endpoint, _N.state)
)
_OLDEST_NOTIFICATION = (
    select(func.min(_N.due_at))
    .join(endpoints, endpoints.c.name == _N.endpoint)
    .where(_IS_DUE, endpoints.c.removed_at.is_(None), endpoints.c.state != EndpointState.PAUSED.value)
)
_E = endpoints.c
_IS_SILENT = and_(FAILS, _E.state != EndpointState.PAUSED.value)
_ENDPOINTS = select(_E.name, _E.state, case((_IS_SILENT, HEARD))).where(_E.removed_at.is_(None))
_SWEEPS = select(sweeps.c.name, sweeps.c.began_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the database holds at one time."""

    now: datetime
    #: What was counted since the beginning, by its name in `tasks.store.totals` and by labels.
    totals: Mapping[str, Mapping[Labels, float]]
    #: How many events there are, by type and state, those that are handled included.
    events: Mapping[Labels, float]
    #: By handler, error and state of the run.
    dead_letters: Mapping[Labels, float]
    #: By endpoint and state, those that are done included.
    notifications: Mapping[Labels, float]
    #: When the oldest event came that a handler is not through with, by the handler.
    unfinished: Mapping[str, datetime]
    #: The state of each endpoint, by its name.
    endpoints: Mapping[str, str]
    #: Since when an endpoint has taken nothing whose tries fail; one that is paused is not tried.
    silent: Mapping[str, datetime]
    #: Since when a notification could be tried and is not.
    notification_due_at: datetime | None
    last_event_at: datetime | None
    #: When the last one began, by its name.
    sweeps: Mapping[str, datetime]


def snapshot(connection: Connection) -> Snapshot:
    """Return what metrics tell; the transaction must see one state of the database throughout."""
    counted = totals.read(connection)
    endpoint_rows = connection.execute(_ENDPOINTS).all()
    return Snapshot(
        now=clock(connection),
        totals=counted,
        events=_events(connection, counted.get("events", {})),
        dead_letters={tuple(row[:3]): row[3] for row in connection.execute(_LETTERS)},
        notifications=_notifications(connection, counted.get("notifications", {})),
        unfinished=_unfinished(connection),
        endpoints={name: state for name, state, _ in endpoint_rows},
        silent={name: since for name, _, since in endpoint_rows if since},
        notification_due_at=connection.execute(_OLDEST_NOTIFICATION).scalar(),
        last_event_at=connection.execute(_LAST_EVENT).scalar(),
        sweeps=_pairs(connection, _SWEEPS),
    )


def _events(connection: Connection, received: Mapping[Labels, float]) -> Mapping[Labels, float]:
    counts: Counter[Labels] = Counter()
    for event_type, rank, number in connection.execute(_OPEN_EVENTS):
        counts[label(event_type), _RANKS[rank].value] += number
    for event_type, number in connection.execute(_FOREIGN_EVENTS):
        counts[label(event_type), SetAside.FOREIGN.value] += number
    return _with_rest(counts, received, "handled")


def _notifications(connection: Connection, queued: Mapping[Labels, float]) -> Mapping[Labels, float]:
    counts: Counter[Labels] = Counter()
    for query in (_DUE, _WAITING):
        for endpoint, number in connection.execute(query):
            counts[endpoint, NotificationState.PENDING.value] += number
    for endpoint, state, number in connection.execute(_GIVEN_UP):
        counts[endpoint, state] += number
    return _with_rest(counts, queued, NotificationState.DONE.value)


def _with_rest(
    counts: Counter[Labels], all_there_are: Mapping[Labels, float], rest: str
) -> Mapping[Labels, float]:
    """Return counts by name and state, and as a state of its own how many are in no other."""
    others: Counter[str] = Counter()
    for (name, *_), number in counts.items():
        others[name] += number
    return {**counts, **{(name, rest): number - others[name] for (name,), number in all_there_are.items()}}


def _unfinished(connection: Connection) -> Mapping[str, datetime]:
    # Events are numbered about as they come; to look at all of them would cost more than it tells.
    oldest = _pairs(connection, _OLDEST_RUNS)
    query = select(events.c.id, events.c.received_at).where(events.c.id.in_(set(oldest.values())))
    received = _pairs(connection, query)
    return {handler: received[event_id] for handler, event_id in oldest.items()}


def _pairs(connection: Connection, query: Select[Any]) -> dict[Any, Any]:
    return {row[0]: row[1] for row in connection.execute(query)}
