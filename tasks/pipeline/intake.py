"""Intake: stores events under their unique keys and routes them by event type."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import structlog
from celery import shared_task
from sqlalchemy import Connection

from celeryconfig import INTAKE_TASK, TRACEPARENT
from tasks.celery import Collaborators, collaborators
from tasks.coinflow.account_payloads import Subscription
from tasks.coinflow.event import carries
from tasks.coinflow.payloads import PurchasePayload, build
from tasks.pipeline.arrivals import read_all
from tasks.pipeline.bells import ring_soon
from tasks.pipeline.dispatch import Delivery, Work, listed, work_of
from tasks.pipeline.foreign import warn_of_foreign
from tasks.pipeline.routing import ROUTES
from tasks.store import events, ledger, runs, subscriptions
from tasks.store.events import Arrival, Stored, Told
from tasks.store.fulfilment import Fulfilled, fulfil
from tasks.store.orders import orders_of
from tasks.store.runs import FULFILMENT, INTAKE, ORDERS, Pending
from tasks.store.savepoint import Undone, savepoint
from tasks.store.states import RunState
from tasks.tracing import tracing
from tasks.worker.groups import GroupTask

_log = structlog.get_logger(__name__)

_NOTHING = Fulfilled({}, frozenset(), ())

build()


@dataclass(frozen=True, slots=True)
class Taken:
    """What an intake has stored, and what is to be done about it."""

    work: Work
    #: What is stored and has no run of fulfilment's yet.
    fresh: Sequence[Told]
    #: Whether runs that were there before have changed. Whoever fulfils holds payments before runs, so
    #: their payments are not to be held in the same transaction.
    holds_runs: bool

    def leave(self, connection: Connection) -> Work:
        """Leave to fulfilment's task what is stored; return what is to be sent."""
        runs.add(connection, [(each.number, FULFILMENT) for each in self.fresh])
        return self.work


class _Intake(GroupTask):
    def origins(self, deliveries: list[Delivery]) -> Iterable[str]:
        # Nothing has read them yet. One that is no event fails in the task, where the policy sees it.
        contexts = (each.get(TRACEPARENT) for each in deliveries if isinstance(each, dict))
        return (each for each in contexts if isinstance(each, str))


@shared_task(name=INTAKE_TASK, bind=True, base=_Intake, shown_arguments="<events>")
def store_events(self: _Intake, deliveries: list[Delivery]) -> str | None:
    """Store the events, fulfil their payments, and send what is left to do to its handlers.

    One that cannot be stored for good goes to the dead queue.
    """
    own = collaborators(self)
    # What has failed before, or has ended its worker, may do so again: it is to be stored first.
    is_first = not (self.is_redelivered or self.attempt.held_for or self.request.retries)
    # Before the transaction: on SQLite all others wait for its end.
    arrivals = read_all(deliveries, own.settings.merchant_ids)
    with own.engine.begin() as connection:
        taken = take_in(connection, arrivals, own.settings.merchant_ids)
        tracing.note(events=len(deliveries), payment_ids=taken.work.payment_ids)
        if is_first and not taken.holds_runs:
            work, fulfilled = _fulfil(connection, own, taken)
        else:
            work, fulfilled = taken.leave(connection), _NOTHING
    ledger.log(fulfilled.moves)
    ring_soon(self.app, fulfilled.endpoints)
    work.send(self.app)
    return str(fulfilled) or None


def _fulfil(connection: Connection, own: Collaborators, taken: Taken) -> tuple[Work, Fulfilled]:
    """Fulfil the payments in the same transaction, which saves a message and half of the commits.

    Returns what is left, among it what failed, and what it has come to.
    """
    payment_ids = taken.work.payment_ids
    if not payment_ids:
        return taken.leave(connection), _NOTHING
    try:
        with savepoint(connection):
            fulfilled = fulfil(connection, payment_ids, own.settings.default_currency, fresh=taken.fresh)
    except Undone as undone:
        # The task that is sent instead tells what it means.
        _log.info("fulfilment.sent", **listed(payment_ids), error=type(undone.__cause__).__name__)
        return taken.leave(connection), _NOTHING
    return replace(taken.work, payment_ids=()), fulfilled


def store(connection: Connection, deliveries: Sequence[Delivery], merchant_ids: Collection[str] = ()) -> Work:
    """Store what is new, as `take_in` does, and leave its payments to fulfilment's task."""
    return take_in(connection, read_all(deliveries, merchant_ids), merchant_ids).leave(connection)


def take_in(
    connection: Connection, arrivals: Mapping[str, Arrival], merchant_ids: Collection[str] = ()
) -> Taken:
    """Store what is new; return what is to be done about these events.

    With `merchant_ids`, an event that names another merchant is foreign. An event that is there already is
    stored once and sent again only where a handler is not through with it: a copy may be all that is left of
    a run that was cut off.
    """
    stored = events.insert_new(connection, arrivals.values())
    before = {key: each for key, each in stored.items() if not each.is_new}
    ids_before = {each.id for each in before.values()}
    doubtful = [key for key, each in before.items() if _is_doubtful(each, arrivals[key])]
    for key in sorted(doubtful, key=lambda each: stored[each].id):
        _look_again(connection, stored[key].id, arrivals[key])
    fresh = [
        told
        for key, arrival in arrivals.items()
        if stored[key].is_new and (told := events.told_by(arrival, stored[key].id))
    ]
    routed = _routed(connection, arrivals, stored)
    # They are noted when they are over, unless something fails.
    later = {(each.number, FULFILMENT) for each in fresh}
    runs.add(connection, [(run.event_id, run.handler) for run in routed if run[:2] not in later])
    _note_subscriptions(connection, arrivals, stored)
    again = runs.pending(connection, ids_before)
    new = [run for run in routed if run.event_id not in ids_before]
    work = work_of(connection, sorted([*new, *again]))
    for arrival in arrivals.values():
        if arrival.event and arrival.event.misfits:
            _log.warning("event.misfits", event_type=arrival.packet.event_type, fields=arrival.event.misfits)
    warn_of_foreign(arrivals.values(), merchant_ids)
    _read_at_last(connection, arrivals, stored, work.unread)
    is_usual = not doubtful and all(run.handler in {FULFILMENT, *ROUTES.names} for run in again)
    return Taken(replace(work, unread={}), fresh, holds_runs=not is_usual)


def _routed(
    connection: Connection, arrivals: Mapping[str, Arrival], stored: Mapping[str, Stored]
) -> Sequence[Pending]:
    """Return where events go, in the order of their keys."""
    asked = _to_ask(connection, arrivals)
    return [
        Pending(stored[key].id, handler, arrivals[key].packet.payment_id)
        for key in sorted(arrivals)
        for handler in (*_handlers(arrivals[key]), *([ORDERS] if key in asked else []))
    ]


def _note_subscriptions(
    connection: Connection, arrivals: Mapping[str, Arrival], stored: Mapping[str, Stored]
) -> None:
    subscriptions.record(
        connection,
        [
            (arrival.event, stored[key].id)
            for key, arrival in arrivals.items()
            if arrival.event and not arrival.set_aside and carries(arrival.event, Subscription)
        ],
    )


def _read_at_last(
    connection: Connection,
    arrivals: Mapping[str, Arrival],
    stored: Mapping[str, Stored],
    unread: Collection[int],
) -> None:
    """End what intake itself has to do with events that could not be read, or can be by now."""
    for key, arrival in arrivals.items():
        event_id = stored[key].id
        if event_id not in unread:
            continue
        if arrival.fault:
            runs.give_up(connection, [event_id], INTAKE, arrival.fault, attempts=1)
        else:
            runs.finish(connection, [event_id], INTAKE)


def _is_doubtful(stored: Stored, arrival: Arrival) -> bool:
    """Tell whether the accepted merchants, the models or the known types have changed since it was stored."""
    is_told_of_late = stored.payment_id is None and arrival.packet.payment_id is not None
    return is_told_of_late or stored.set_aside not in {None, arrival.set_aside}


def _look_again(connection: Connection, event_id: int, arrival: Arrival) -> None:
    """Let an event that was stored be what it is read as now."""
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
