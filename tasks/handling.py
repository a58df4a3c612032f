"""Handling: one Celery task for each handler of the merchant's."""

from datetime import UTC, datetime

from celery import Task
from sqlalchemy import select, update

import tasks.handlers  # noqa: F401  # registers them
from tasks.celery import app, engine
from tasks.dead_letters import bury, finish
from tasks.dispatch import HANDLER_TASKS
from tasks.errors import PermanentError
from tasks.event import Event, read_event, read_packet
from tasks.payload_fields import Payload
from tasks.retries import TRANSIENT, try_again
from tasks.routing import HANDLERS
from tasks.schema import RunState, events, handler_runs


def _handle(self: Task[..., None], event_id: int) -> None:
    """Call the handler that the task is named for, unless it is through with the event."""
    name = self.name.removeprefix(HANDLER_TASKS)
    event = _begin(event_id, name)
    if event is None:
        return
    try:
        HANDLERS[name](event)
    except TRANSIENT:
        raise
    except Exception as error:  # noqa: BLE001  # it ends in a dead letter
        if not isinstance(error, PermanentError):
            try_again(self, error)
        with engine().begin() as connection:
            bury(connection, [event_id], name, error, attempts=self.request.retries + 1)
    else:
        with engine().begin() as connection:
            finish(connection, [event_id], name)


def _begin(event_id: int, name: str) -> Event[Payload] | None:
    """Return the event, or None if it is handled; a run that has begun is not overdue."""
    run = (handler_runs.c.event_id == event_id, handler_runs.c.handler == name)
    query = (
        select(events.c.body)
        .join(handler_runs, handler_runs.c.event_id == events.c.id)
        .where(*run, handler_runs.c.state != RunState.DONE)
    )
    with engine().begin() as connection:
        body = connection.execute(query).scalar_one_or_none()
        connection.execute(update(handler_runs).where(*run).values(sent_at=datetime.now(UTC)))
    return read_event(read_packet(body)) if body else None


for _name in HANDLERS:
    app.task(name=HANDLER_TASKS + _name, bind=True)(_handle)
