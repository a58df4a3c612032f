"""Ordering: asks the merchant's own function what a payment was for, and has it fulfilled by the answer."""

from datetime import UTC, datetime
from typing import Any

import structlog
from celery import shared_task
from sqlalchemy import Connection

from tasks.celery import collaborators
from tasks.coinflow.event import carries, read_event, read_packet
from tasks.coinflow.payloads import PurchasePayload
from tasks.errors import HandlerMissing, OrderInvalid, OrderUnknown, PayloadInvalid
from tasks.payments.order import Order
from tasks.pipeline.dispatch import ORDERS_TASK, Work
from tasks.pipeline.routing import ROUTES
from tasks.store import events, runs
from tasks.store.orders import orders_of, save_order
from tasks.store.runs import FULFILMENT, ORDERS
from tasks.store.states import RunState
from tasks.worker.reliable_task import ReliableTask

_log = structlog.get_logger(__name__)


class _Ordering(ReliableTask):
    is_merchants = True

    def give_up(self, error: Exception, event_id: int) -> None:
        with collaborators(self).engine.begin() as connection:
            runs.give_up(connection, [event_id], ORDERS, error, attempts=self.request.retries + 1)


@shared_task(name=ORDERS_TASK, bind=True, base=_Ordering)
def find_order(self: _Ordering, event_id: int) -> None:
    """Ask what the event's payment was for, unless that is known; keep the answer, and have it fulfilled."""
    engine = collaborators(self).engine
    with engine.begin() as connection:
        if not runs.begin(connection, [event_id], ORDERS):
            return
        body = events.body_of(connection, event_id)
        payment_id, info = _read(body)
        if orders_of(connection, [payment_id]):
            runs.finish(connection, [event_id], ORDERS)
            return
    try:
        order = _ask(info, payment_id)
    except Exception:
        with engine.begin() as connection:
            runs.forget_beginnings(connection, [event_id], ORDERS)
        raise
    with engine.begin() as connection:
        is_news = _keep(connection, event_id, payment_id, order)
    if is_news:
        _log.info("order.found", payment_id=payment_id, lines=len(order.lines))
        # No other handler of the event's is sent again with it.
        Work([payment_id], {}, {}).send(self.app)


def _read(body: str) -> tuple[str, dict[str, Any]]:
    event = read_event(read_packet(body))
    if event is None or event.payment_id is None or not carries(event, PurchasePayload):
        raise PayloadInvalid("This version finds no purchase in the event.")
    info = event.payload.webhook_info
    if not isinstance(info, dict):
        raise PayloadInvalid("data.webhookInfo: expected an object.")
    return event.payment_id, info


def _ask(info: dict[str, Any], payment_id: str) -> Order:
    if ROUTES.find_order is None:
        raise HandlerMissing("No module in HANDLERS registers a function with @orders.")
    order: object = ROUTES.find_order(info, payment_id)
    if order is None:
        raise OrderUnknown("The function registered with @orders does not know what webhookInfo names.")
    if not isinstance(order, Order):
        name = type(order).__name__
        raise OrderInvalid(f"The function registered with @orders: expected an Order or None, not {name}.")
    return order


def _keep(connection: Connection, event_id: int, payment_id: str, order: Order) -> bool:
    """Keep the answer unless there is one, and let the payment be fulfilled; return whether it is to be."""
    is_first = save_order(connection, payment_id, order, datetime.now(UTC))
    # What was asked because of the payment's other events, or could not be told, is known now.
    asked = runs.states(connection, [payment_id], ORDERS)
    known = [each for each, state in asked.items() if state is not RunState.DISCARDED]
    runs.finish(connection, known, ORDERS)
    if is_first:
        runs.reopen(connection, [(event_id, FULFILMENT)], [RunState.DONE, RunState.DEAD])
    return is_first
