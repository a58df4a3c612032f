"""Dispatch: sends what is stored and pending to the handlers it goes to."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import NotRequired, TypedDict

from celery import Celery
from sqlalchemy import Connection

from celeryconfig import INTAKE_TASK
from tasks.errors import BodyGone, HandlerMissing
from tasks.pipeline.routing import ROUTES
from tasks.store import events, runs
from tasks.store.runs import FULFILMENT, INTAKE, ORDERS

#: The names of the tasks that fulfil payments and ask for orders, and what precedes a handler's name in its
#: task's.
FULFILMENT_TASK = "tasks.fulfilment.fulfil_payments"
ORDERS_TASK = "tasks.orders.find_order"
HANDLER_TASKS = "tasks.handlers."

#: Characters of bodies in one message to intake; a single body may be longer.
_MESSAGE = 1_000_000


#: Payments that a line of the log names: some routers of logs cut a line at 10 kB.
_NAMED = 50


def listed(payment_ids: Collection[str]) -> dict[str, object]:
    """Return what a line of the log says of payments: their ids, and how many there are."""
    return {"payments": sorted(payment_ids)[:_NAMED], "count": len(payment_ids)}


class Delivery(TypedDict):
    """An event as the receiver hands it over: the raw body and when it came (ISO 8601, UTC)."""

    body: str
    received_at: str
    #: The context of the delivery's span, where the receiver traces.
    traceparent: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be sent."""

    #: Payments with events that fulfilment is not through with.
    payment_ids: Collection[str]
    #: Events by the function of the merchant's that is not through with them.
    event_ids: Mapping[str, Collection[int]]
    #: Events that intake has not read, by their id: their data did not fit their type.
    unread: Mapping[int, Delivery]

    def send(self, app: Celery) -> None:
        """Send it: the payments as one message, each event to each handler as one of its own."""
        for deliveries in _bounded(self.unread.values()):
            app.tasks[INTAKE_TASK].delay(deliveries)
        if self.payment_ids:
            app.tasks[FULFILMENT_TASK].delay(sorted(self.payment_ids))
        for handler, event_ids in self.event_ids.items():
            task = app.tasks[ORDERS_TASK if handler == ORDERS else HANDLER_TASKS + handler]
            for event_id in event_ids:
                task.delay(event_id)


def _bounded(deliveries: Iterable[Delivery]) -> Iterator[list[Delivery]]:
    """Yield deliveries in lists that any broker takes as one message."""
    held: list[Delivery] = []
    size = 0
    for each in deliveries:
        if held and size + len(each["body"]) > _MESSAGE:
            yield held
            held, size = [], 0
        held.append(each)
        size += len(each["body"])
    if held:
        yield held


def plan(connection: Connection, event_ids: Collection[int]) -> Work:
    """Return the work that these events still are. What goes to no function any more is given up."""
    return work_of(connection, runs.pending(connection, event_ids))


def work_of(connection: Connection, pending: Iterable[runs.Pending]) -> Work:
    """Return the work that pending runs are; see `plan`."""
    by_handler: dict[str, list[int]] = {}
    payment_ids: set[str] = set()
    for run in pending:
        if run.handler == FULFILMENT and run.payment_id:
            payment_ids.add(run.payment_id)
        else:
            by_handler.setdefault(run.handler, []).append(run.event_id)
    unread = by_handler.pop(INTAKE, [])
    for handler in by_handler.keys() - ROUTES.names:
        error = HandlerMissing(f"No module in HANDLERS registers a function {handler!r}.")
        runs.give_up(connection, by_handler.pop(handler), handler, error, attempts=1)
    return Work(payment_ids, by_handler, _deliveries(connection, unread))


def _deliveries(connection: Connection, event_ids: Collection[int]) -> dict[int, Delivery]:
    bodies = events.bodies(connection, event_ids)
    if gone := [number for number, came in bodies.items() if not came.text]:
        runs.give_up(connection, gone, INTAKE, BodyGone(), attempts=1)
    return {
        number: {"body": came.text, "received_at": came.received_at.astimezone(UTC).isoformat()}
        for number, came in bodies.items()
        if came.text
    }
