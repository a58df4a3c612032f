"""Dead notifications, as they are read: under the names of a letter, for they are letters, too."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, String, case, literal, select

from tasks.payments.change import OPERATOR
from tasks.store.schema import events, ledger_entries, notifications
from tasks.store.states import GIVEN_UP, NotificationState, RunState
from tasks.store.views.letters import LetterFilter
from tasks.store.views.notifications import Moment, history_of, notification_name, notification_number
from tasks.store.views.records import between, equal, written_in

#: What goes before the endpoint's name where a letter names its handler.
HANDLER = "notify:"
#: What an endpoint's answer is called as an error, by what the last try came to.
_BY_OUTCOME: Mapping[str, str] = {"refused": "Refused", "gone": "Gone", "permanent": "PermanentError"}
#: What else there is: a function that failed, an answer that is an error, and none at all.
_FUNCTION_FAILED, _SERVER_ERROR, _NO_ANSWER = "FunctionFailed", "ServerError", "NoAnswer"
#: Every error that a dead notification may have.
ERRORS = (*_BY_OUTCOME.values(), _FUNCTION_FAILED, _SERVER_ERROR, _NO_ANSWER)

_N = notifications.c
_ERROR = case(
    *((_N.last_outcome == outcome, error) for outcome, error in _BY_OUTCOME.items()),
    (_N.endpoint.startswith("@"), _FUNCTION_FAILED),
    (_N.last_status.is_not(None), _SERVER_ERROR),
    else_=_NO_ANSWER,
)
# The entries of a change have one cause.
_CAUSE = (
    select(case((ledger_entries.c.action_id.is_not(None), OPERATOR), else_=events.c.event_type))
    .join(events, events.c.id == ledger_entries.c.event_id)
    .where(ledger_entries.c.payment_id == _N.payment_id, ledger_entries.c.version == _N.version)
    .order_by(ledger_entries.c.id)
    .limit(1)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadNotification:
    """What `list` says of one, under the names of a letter; what it has none of is None."""

    id: str
    event_id: None = None
    #: What brought the change about: the event's type, or `operator`.
    event_type: str
    payment_id: str
    version: int
    handler: str
    error: str
    message: str | None
    attempts: int
    failed_at: datetime
    #: Dead or discarded.
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadNotificationStory(DeadNotification):
    """One with its history."""

    http_status: int | None
    first_tried_at: datetime | None
    last_tried_at: datetime | None
    history: tuple[Moment, ...]


def list_dead(connection: Connection, chosen: LetterFilter) -> tuple[DeadNotification, ...]:
    """Return the newest that are meant."""
    query = _meant(_lines(), chosen).order_by(_N.finished_at.desc(), _N.id.desc()).limit(chosen.limit)
    return tuple(DeadNotification(**_named(row._asdict())) for row in connection.execute(query))[::-1]


def dead_states(connection: Connection, chosen: LetterFilter) -> dict[int, NotificationState]:
    """Return the states of all that are meant, by their ids; of ids that are named, in whatever state."""
    query = select(_N.id, _N.state)
    query = query.where(_N.id.in_(_numbers(chosen.ids))) if chosen.ids else _meant(query, chosen)
    return {row.id: NotificationState(row.state) for row in connection.execute(query.order_by(_N.id))}


def dead_story(connection: Connection, number: int) -> DeadNotificationStory | None:
    """Return all that is known of one, or None where there is none of this id."""
    query = _lines().add_columns(_N.last_status.label("http_status"), _N.first_tried_at, _N.last_tried_at)
    row = connection.execute(query.where(_N.id == number, _N.state.in_(GIVEN_UP))).one_or_none()
    if row is None:
        return None
    return DeadNotificationStory(**_named(row._asdict()), history=history_of(connection, number))


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "id": notification_name(row["id"])}


def _meant(query: Select[Any], chosen: LetterFilter) -> Select[Any]:
    # A run that is being replayed is pending; a notification is a letter no more then.
    states = [state for state in GIVEN_UP if not chosen.states or RunState(state) in chosen.states]
    query = query.where(_N.state.in_(states), written_in(_N.state, GIVEN_UP))
    if chosen.ids:
        query = query.where(_N.id.in_(_numbers(chosen.ids)))
    query = equal(query, (_CAUSE, chosen.event_type), (_ERROR, chosen.error))
    return between(query, _N.finished_at, chosen.since, chosen.until)


def _numbers(ids: Collection[str]) -> list[int]:
    """Return the notifications among the ids of letters."""
    marked = (each for each in ids if not each.isdecimal())
    return [number for number in map(notification_number, marked) if number]


def _lines() -> Select[Any]:
    return select(
        _N.id,
        _CAUSE.label("event_type"),
        _N.payment_id,
        _N.version,
        (literal(HANDLER, String) + _N.endpoint).label("handler"),
        _ERROR.label("error"),
        _N.last_error.label("message"),
        _N.attempts,
        _N.finished_at.label("failed_at"),
        _N.state,
    )
