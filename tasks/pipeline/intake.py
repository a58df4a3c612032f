"""Intake: stores events under their unique keys and routes them by event type."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from operator import itemgetter

import structlog
from celery import shared_task
from sqlalchemy import Connection

from celeryconfig import INTAKE_TASK
from tasks.celery import Collaborators, collaborators
from tasks.coinflow.account_payloads import Subscription
from tasks.coinflow.event import carries
from tasks.coinflow.payloads import PurchasePayload
from tasks.pipeline.arrivals import read
from tasks.pipeline.dispatch import Delivery, Work, plan
from tasks.pipeline.foreign import warn_of_foreign
from tasks.pipeline.routing import INTAKE, ORDERS, ROUTES
from tasks.store import events, runs, subscriptions
from tasks.store.events import Arrival
from tasks.store.fulfilment import FULFILMENT, fulfil
from tasks.store.orders import orders_of
from tasks.store.states import RunState
from tasks.worker.groups import GroupTask

_log = structlog.get_logger(__name__)


@shared_task(name=INTAKE_TASK, bind=True, base=GroupTask, shown_arguments="<events>")
def store_events(self: GroupTask, deliveries: list[Delivery]) -> None:
    """Store the events, fulfil their payments, and send what is left to do to its handlers.

    One that cannot be stored for good goes to the dead queue.
    """
    own = collaborators(self)
    with own.engine.begin() as connection:
        work = store(connection, deliveries, own.settings.merchant_ids)
    if work.payment_ids and not self.is_redelivered:
        work = _fulfil(own, work)
    work.send(self.app)


def _fulfil(own: Collaborators, work: Work) -> Work:
    """Fulfil the payments at once, which saves a message; return what is left, among it what failed."""
    try:
        with own.engine.begin() as connection:
            fulfil(connection, work.payment_ids, own.settings.default_currency)
    except Exception as error:  # noqa: BLE001  # the task that is sent instead tells what it means
        _log.info("fulfilment.sent", payments=len(work.payment_ids), error=type(error).__name__)
        return work
    return replace(work, payment_ids=())


def store(connection: Connection, deliveries: Sequence[Delivery], merchant_ids: Collection[str] = ()) -> Work:
    """Store what is new; return what is to be done about these events.

    With `merchant_ids`, an event that names another merchant is foreign. An event that is there already is
    stored once and sent again only where a handler is not through with it: a copy may be all that is left of
    a run that was cut off.
    """
    arrivals: dict[str, Arrival] = {}
    for delivery in deliveries:
        arrival = read(delivery, merchant_ids)
        arrivals.setdefault(arrival.packet.key, arrival)
    stored = events.insert_new(connection, arrivals.values())
    for key, (event_id, set_aside) in sorted(stored.items(), key=itemgetter(1)):
        # The accepted merchants or the models may have changed since it was set aside.
        if set_aside and set_aside != arrivals[key].set_aside:
            _look_again(connection, event_id, arrivals[key])
    ids = {key: event_id for key, (event_id, _) in stored.items()}
    asked = _to_ask(connection, arrivals)
    runs.add(connection, [(ids[key], name) for key in sorted(arrivals) for name in _handlers(arrivals[key])])
    runs.add(connection, [(ids[key], ORDERS) for key in sorted(asked)])
    subscriptions.record(
        connection,
        [
            (arrival.event, ids[key])
            for key, arrival in arrivals.items()
            if arrival.event and not arrival.set_aside and carries(arrival.event, Subscription)
        ],
    )
    work = plan(connection, list(ids.values()))
    for arrival in arrivals.values():
        if arrival.event and arrival.event.misfits:
            _log.warning("event.misfits", event_type=arrival.packet.event_type, fields=arrival.event.misfits)
    warn_of_foreign(arrivals.values(), merchant_ids)
    for key, arrival in arrivals.items():
        if ids[key] not in work.unread:
            continue
        if arrival.fault:
            runs.give_up(connection, [ids[key]], INTAKE, arrival.fault, attempts=1)
        else:
            runs.finish(connection, [ids[key]], INTAKE)
    return replace(work, unread={})


def _look_again(connection: Connection, event_id: int, arrival: Arrival) -> None:
    """Let an event that was set aside be what it is read as now."""
    events.recount(connection, event_id, arrival)
    if not arrival.fault:
        # Also where an operator has given it up: that was about what could not be read.
        runs.reopen(connection, [(event_id, INTAKE)], [RunState.DISCARDED])
        runs.finish(connection, [event_id], INTAKE)
    runs.reopen(connection, [(event_id, FULFILMENT)], [RunState.DONE, RunState.DEAD])


def _handlers(arrival: Arrival) -> Sequence[str]:
    """Return where an event goes; one that cannot be read stays with intake, and its payment tells of it."""
    if arrival.fault:
        return [INTAKE, *([FULFILMENT] if arrival.packet.payment_id else [])]
    return ROUTES.route(arrival.event) if arrival.event and not arrival.set_aside else []


def _to_ask(connection: Connection, arrivals: Mapping[str, Arrival]) -> AbstractSet[str]:
    """Return the events of which the merchant is to be asked what was ordered: nothing has said so yet."""
    if ROUTES.find_order is None:
        return set()
    naming = {key: each.packet.payment_id for key, each in arrivals.items() if _names_an_order(each)}
    answered = orders_of(connection, {each for each in naming.values() if each}) if naming else {}
    return {key for key, payment_id in naming.items() if payment_id and payment_id not in answered}


def _names_an_order(arrival: Arrival) -> bool:
    """Tell whether `webhookInfo` says something, and no item."""
    event, facts = arrival.event, arrival.facts
    if event is None or facts is None or arrival.set_aside or not carries(event, PurchasePayload):
        return False
    info = event.payload.webhook_info
    is_named = facts.named is not None or (facts.cycle is not None and facts.cycle.named is not None)
    return isinstance(info, dict) and bool(info) and not is_named
