"""Dispatch: sends what is stored and unfinished to the handlers it goes to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from tasks.celery import app
from tasks.routing import FULFILMENT, INTAKE
from tasks.schema import RunState, events, handler_runs

#: The name of the task that fulfils payments, and what precedes a handler's name in its task's.
FULFILMENT_TASK = "tasks.fulfilment.fulfil_payments"
HANDLER_TASKS = "tasks.handlers."


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be sent."""

    #: Payments with events that fulfilment is not through with.
    payment_ids: Collection[str]
    #: Events by the handler of the merchant's that is not through with them.
    event_ids: Mapping[str, Collection[int]]
    #: Events that intake has not read: their data did not fit their type.
    unread: Collection[int]

    def send(self) -> None:
        """Send it: the payments as one message, each event to each handler as one of its own."""
        if self.payment_ids:
            _send(FULFILMENT_TASK, sorted(self.payment_ids))
        for handler, event_ids in self.event_ids.items():
            for event_id in event_ids:
                _send(HANDLER_TASKS + handler, event_id)


def unfinished(connection: Connection, event_ids: Collection[int]) -> Work:
    """Return the work that these events still are."""
    query = (
        select(handler_runs.c.handler, events.c.id, events.c.payment_id)
        .join(events, events.c.id == handler_runs.c.event_id)
        .where(handler_runs.c.event_id.in_(event_ids), handler_runs.c.state == RunState.PENDING)
        .order_by(events.c.id)
    )
    by_handler: dict[str, list[int]] = {}
    payment_ids: set[str] = set()
    for row in connection.execute(query):
        by_handler.setdefault(row.handler, []).append(row.id)
        if row.handler == FULFILMENT:
            payment_ids.add(row.payment_id)
    by_handler.pop(FULFILMENT, None)
    return Work(payment_ids, unread=by_handler.pop(INTAKE, []), event_ids=by_handler)


def _send(task: str, argument: object) -> None:
    app.tasks[task].delay(argument)
