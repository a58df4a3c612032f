"""Handling: one Celery task for each handler of the merchant's."""

from celery import shared_task
from structlog.contextvars import bound_contextvars

from tasks.celery import collaborators
from tasks.coinflow.event import read_event, read_packet
from tasks.errors import PayloadInvalid
from tasks.pipeline.dispatch import HANDLER_TASKS
from tasks.pipeline.routing import ROUTES
from tasks.store import events, runs
from tasks.tracing import tracing
from tasks.worker.reliable_task import ReliableTask


class _Handling(ReliableTask):
    is_merchants = True

    @property
    def handler(self) -> str:
        return self.name.removeprefix(HANDLER_TASKS)

    def give_up(self, error: Exception, event_id: int) -> None:
        with collaborators(self).engine.begin() as connection:
            attempts = self.request.retries + 1
            runs.give_up(connection, [event_id], self.handler, error, attempts=attempts)


def _handle(self: _Handling, event_id: int) -> None:
    """Call the handler that the task is named for, if its run is pending."""
    with bound_contextvars(event_id=event_id):
        _call(self, event_id)


def _call(self: _Handling, event_id: int) -> None:
    engine, handler = collaborators(self).engine, self.handler
    with engine.begin() as connection:
        if not runs.begin(connection, [event_id], handler):
            return
        body = events.body_of(connection, event_id)
    packet = read_packet(body)
    tracing.note(event_type=packet.event_type, payment_id=packet.payment_id)
    event = read_event(packet)
    if event is None:
        raise PayloadInvalid("This version does not know the event's type.")
    try:
        ROUTES.handlers[handler](event)
    except Exception:
        with engine.begin() as connection:
            runs.forget_beginnings(connection, [event_id], handler)
        raise
    with engine.begin() as connection:
        runs.finish(connection, [event_id], handler)


for _name in ROUTES.handlers:
    shared_task(name=HANDLER_TASKS + _name, bind=True, base=_Handling)(_handle)
