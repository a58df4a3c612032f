"""The story of one event: what came, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, select

from tasks.coinflow.event import read_event, read_packet
from tasks.errors import PayloadInvalid
from tasks.store.schema import dead_letters, events, handler_runs
from tasks.store.views.events import EventLine, event_lines
from tasks.store.views.records import records


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerRun:
    """How far a handler has come with an event."""

    handler: str
    state: str
    sent_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a handler failed at for good."""

    handler: str
    error: str
    message: str
    attempts: int
    failed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStory(EventLine):
    """What came and what became of it."""

    #: Equal for every copy of the event.
    key: str
    #: None where it was pruned.
    body: dict[str, Any] | None
    #: The documented fields that were left out because they have another type, by their paths in `data`.
    misfits: tuple[str, ...]
    handler_runs: tuple[HandlerRun, ...]
    dead_letters: tuple[Failure, ...]


def event_story(connection: Connection, event_id: int) -> EventStory | None:
    """Return all that is known of an event, or None if there is none of this id."""
    query = event_lines().add_columns(events.c.key, events.c.body).where(events.c.id == event_id)
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    runs = select(
        handler_runs.c.handler, handler_runs.c.state, handler_runs.c.sent_at, handler_runs.c.finished_at
    ).where(handler_runs.c.event_id == event_id)
    failures = select(
        dead_letters.c.handler,
        dead_letters.c.error,
        dead_letters.c.message,
        dead_letters.c.attempts,
        dead_letters.c.failed_at,
    ).where(dead_letters.c.event_id == event_id)
    return EventStory(
        **found._asdict() | {"body": from_json(found.body) if found.body else None},
        misfits=_misfits(found.body) if found.body else (),
        handler_runs=records(connection, runs.order_by(handler_runs.c.handler), HandlerRun),
        dead_letters=records(connection, failures.order_by(dead_letters.c.id), Failure),
    )


def _misfits(body: str) -> tuple[str, ...]:
    try:
        event = read_event(read_packet(body))
    except PayloadInvalid:
        return ()
    return event.misfits if event else ()
