"""Work, as it is counted: what is unfinished, and what waits for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select

from tasks.payments.states import DecisionStatus
from tasks.store.dead_letters import RUN_OF_LETTER
from tasks.store.schema import dead_letters, events, handler_runs, operator_actions, payments
from tasks.store.states import RunState, SetAside
from tasks.store.views.records import written

#: Counts of payments and events end here: so many, or more.
MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What a handler has not finished."""

    handler: str
    count: int
    #: When the oldest event came, or when an operator last did something, for that may have begun it anew.
    since: datetime


def unfinished(connection: Connection) -> Sequence[Unfinished]:
    """Return what is unfinished, by handler."""
    acted_at = connection.execute(_ACTED_AT).scalar_one_or_none()
    return [
        Unfinished(
            handler=row.handler, count=row.number, since=max(row.received_at, acted_at or row.received_at)
        )
        for row in connection.execute(_UNFINISHED)
    ]


def dead_by_error(connection: Connection) -> Mapping[str, int]:
    """Return how many letters are dead, by their error."""
    return {row.error: row.number for row in connection.execute(_DEAD)}


def payments_of(connection: Connection, decision: DecisionStatus) -> int:
    """Return how many payments come to a decision that nobody has looked at, up to `MOST`."""
    by_decision = payments.c.decision == decision
    counted = _up_to_most(payments.c.updated_at, by_decision, payments.c.is_done.is_(False))
    return int(connection.execute(counted).scalar_one())


def asking(connection: Connection) -> int:
    """Return how many payments ask for a person by a note of their own, up to `MOST`."""
    has_notes = payments.c.notes.is_not(None)
    counted = _up_to_most(payments.c.respond_by_date, has_notes, payments.c.is_done.is_(False))
    return int(connection.execute(counted).scalar_one())


def set_aside(connection: Connection, why: SetAside) -> int:
    """Return how many events are set aside for this reason, up to `MOST`."""
    is_set_aside = events.c.set_aside.is_not(None)
    counted = _up_to_most(events.c.id, is_set_aside, events.c.set_aside == written(why))
    return int(connection.execute(counted).scalar_one())


def _up_to_most(order: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Select[Any]:
    # In the order of an index that holds these alone; a database may otherwise look through all there are.
    found = select(literal(1).label("one")).where(*conditions).order_by(order).limit(MOST)
    return select(func.count()).select_from(found.subquery())


_PENDING = (
    select(
        handler_runs.c.handler,
        func.count().label("number"),
        func.min(handler_runs.c.event_id).label("oldest"),
    )
    .where(handler_runs.c.state == written(RunState.PENDING))
    .group_by(handler_runs.c.handler)
    .subquery()
)
_UNFINISHED = (
    select(_PENDING.c.handler, _PENDING.c.number, events.c.received_at)
    .join(events, events.c.id == _PENDING.c.oldest)
    .order_by(_PENDING.c.handler)
)
_ACTED_AT = select(operator_actions.c.at).order_by(operator_actions.c.id.desc()).limit(1)
_DEAD = (
    select(dead_letters.c.error, func.count().label("number"))
    .join(handler_runs, RUN_OF_LETTER)
    .where(handler_runs.c.state == RunState.DEAD)
    .group_by(dead_letters.c.error)
    .order_by(func.count().desc(), dead_letters.c.error)
)
