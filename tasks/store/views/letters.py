"""Dead letters in the database, as they are read."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from tasks.store.column_types import LARGEST_ID
from tasks.store.dead_letters import RUN_OF_LETTER
from tasks.store.schema import dead_letter_attempts, dead_letters, events, handler_runs
from tasks.store.states import RunState
from tasks.store.views.records import between, equal, newest_last, records

# Looked up for each letter: letters are few, and runs are as many as events and have no index by state.
_STATE = select(handler_runs.c.state).where(RUN_OF_LETTER).scalar_subquery()


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which letters are meant; what is None or empty excludes none. Times are aware."""

    #: As they are typed, the broker's among them.
    ids: Collection[str] = ()
    event_type: str | None = None
    error: str | None = None
    #: Failed at this time or later.
    since: datetime | None = None
    #: Failed before this time.
    until: datetime | None = None
    states: Collection[RunState] = ()
    #: The newest so many; None is all of them.
    limit: int | None = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter in one line."""

    id: int
    event_id: int
    event_type: str
    payment_id: str | None
    handler: str
    error: str
    message: str
    attempts: int
    failed_at: datetime
    #: One of dead, pending (it is being replayed), discarded.
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A time that the handler gave the event up, after so many tries."""

    failed_at: datetime
    error: str
    message: str
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterStory(Letter):
    """A letter with its history, the newest attempt last."""

    history: tuple[Attempt, ...]
    traceback: str


def letter_number(text: str) -> int | None:
    """Return the id that is meant, or None if it is none of the database's."""
    number = int(text) if text.isdecimal() else 0
    return number if 0 < number <= LARGEST_ID else None


def list_letters(connection: Connection, chosen: LetterFilter) -> tuple[Letter, ...]:
    """Return the newest letters that are meant."""
    query = _lines().order_by(dead_letters.c.failed_at.desc(), dead_letters.c.id.desc()).limit(chosen.limit)
    if chosen.states:
        query = query.where(_STATE.in_(chosen.states))
    if chosen.ids:
        query = query.where(dead_letters.c.id.in_(list(filter(None, map(letter_number, chosen.ids)))))
    query = equal(query, (events.c.event_type, chosen.event_type), (dead_letters.c.error, chosen.error))
    query = between(query, dead_letters.c.failed_at, chosen.since, chosen.until)
    return newest_last(connection, query, Letter)


def letter_story(connection: Connection, letter_id: int) -> LetterStory | None:
    """Return all that is known of a letter, or None if there is none of this id."""
    query = _lines().add_columns(dead_letters.c.traceback).where(dead_letters.c.id == letter_id)
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    attempts = dead_letter_attempts.c
    history = (
        select(attempts.failed_at, attempts.error, attempts.message, attempts.tries)
        .where(attempts.event_id == found.event_id, attempts.handler == found.handler)
        .order_by(attempts.id)
    )
    return LetterStory(**found._asdict(), history=records(connection, history, Attempt))


def _lines() -> Select[Any]:
    return select(
        dead_letters.c.id,
        dead_letters.c.event_id,
        events.c.event_type,
        events.c.payment_id,
        dead_letters.c.handler,
        dead_letters.c.error,
        dead_letters.c.message,
        dead_letters.c.attempts,
        dead_letters.c.failed_at,
        _STATE.label("state"),
    ).join(events, events.c.id == dead_letters.c.event_id)
