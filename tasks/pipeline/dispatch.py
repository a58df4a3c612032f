"""Dispatch: sends what is stored and unfinished to the handlers it goes to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import TypedDict

from sqlalchemy import Connection, bindparam, select

from celeryconfig import INTAKE_TASK
from tasks.celery import app
from tasks.errors import HandlerMissing
from tasks.pipeline.routing import FULFILMENT, HANDLERS, INTAKE
from tasks.store.dead_letters import bury
from tasks.store.schema import RunState, events, handler_runs

#: The name of the task that fulfils payments, and what precedes a handler's name in its task's.
FULFILMENT_TASK = "tasks.fulfilment.fulfil_payments"
HANDLER_TASKS = "tasks.handlers."
_PENDING = (
    select(handler_runs.c.handler, events.c.id, events.c.payment_id)
    .join(events, events.c.id == handler_runs.c.event_id)
    .where(
        handler_runs.c.event_id.in_(bindparam("event_ids", expanding=True)),
        handler_runs.c.state == RunState.PENDING,
    )
    .order_by(events.c.id)
)


class Delivery(TypedDict):
    """An event as the receiver hands it over: the raw body and when it came (ISO 8601, UTC)."""

    body: str
    received_at: str


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be sent."""

    #: Payments with events that fulfilment is not through with.
    payment_ids: Collection[str]
    #: Events by the handler of the merchant's that is not through with them.
    event_ids: Mapping[str, Collection[int]]
    #: Events that intake has not read, by their id: their data did not fit their type.
    unread: Mapping[int, Delivery]

    def send(self) -> None:
        """Send it: the payments as one message, each event to each handler as one of its own."""
        if self.unread:
            _send(INTAKE_TASK, list(self.unread.values()))
        if self.payment_ids:
            _send(FULFILMENT_TASK, sorted(self.payment_ids))
        for handler, event_ids in self.event_ids.items():
            for event_id in event_ids:
                _send(HANDLER_TASKS + handler, event_id)


def unfinished(connection: Connection, event_ids: Collection[int]) -> Work:
    """Return the work that these events still are. What goes to no function any more is a dead letter."""
    by_handler: dict[str, list[int]] = {}
    payment_ids: set[str] = set()
    for row in connection.execute(_PENDING, {"event_ids": list(event_ids)}):
        by_handler.setdefault(row.handler, []).append(row.id)
        if row.handler == FULFILMENT:
            payment_ids.add(row.payment_id)
    by_handler.pop(FULFILMENT, None)
    unread = _unread(connection, by_handler.pop(INTAKE, []))
    for handler in by_handler.keys() - HANDLERS.keys():
        error = HandlerMissing(f"tasks/handlers.py registers no function {handler!r}.")
        bury(connection, by_handler.pop(handler), handler, error, attempts=1)
    return Work(payment_ids, unread=unread, event_ids=by_handler)


def _unread(connection: Connection, event_ids: Collection[int]) -> dict[int, Delivery]:
    if not event_ids:
        return {}
    query = select(events.c.id, events.c.body, events.c.received_at).where(events.c.id.in_(event_ids))
    return {
        row.id: {"body": row.body, "received_at": row.received_at.astimezone(UTC).isoformat()}
        for row in connection.execute(query)
    }


def _send(task: str, argument: object) -> None:
    app.tasks[task].delay(argument)
