"""Handling: one Celery task for each handler of the merchant's."""

from celery import Task
from sqlalchemy import select

import tasks.handlers  # noqa: F401  # registers them
from tasks.celery import app, engine
from tasks.coinflow.event import Event, read_event, read_packet
from tasks.coinflow.fields import Payload
from tasks.pipeline.dispatch import HANDLER_TASKS
from tasks.pipeline.routing import HANDLERS
from tasks.store.dead_letters import bury, finish
from tasks.store.runs import end, start
from tasks.store.schema import events
from tasks.worker.retries import try_later


def _handle(self: Task[..., None], event_id: int) -> None:
    """Call the handler that the task is named for, if its run is pending."""
    name = self.name.removeprefix(HANDLER_TASKS)
    event = _begin(event_id, name)
    if event is None:
        return
    try:
        HANDLERS[name](event)
    except Exception as error:  # noqa: BLE001  # it ends in a dead letter
        with engine().begin() as connection:
            end(connection, [event_id], name)
        try_later(self, error)
        with engine().begin() as connection:
            bury(connection, [event_id], name, error, attempts=self.request.retries + 1)
    else:
        with engine().begin() as connection:
            finish(connection, [event_id], name)


def _begin(event_id: int, name: str) -> Event[Payload] | None:
    """Return the event, or None if the handler is through with it."""
    with engine().begin() as connection:
        if not start(connection, [event_id], name):
            return None
        body = connection.execute(select(events.c.body).where(events.c.id == event_id)).scalar_one()
    return read_event(read_packet(body))


for _name in HANDLERS:
    app.task(name=HANDLER_TASKS + _name, bind=True)(_handle)
