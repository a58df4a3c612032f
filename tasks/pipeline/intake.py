"""Intake: stores events under their unique keys and routes them by event type."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

import structlog
from celery import Task
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import Connection, bindparam, select, update

from celeryconfig import INTAKE_TASK
from tasks.celery import app, catalog, engine, settings
from tasks.coinflow.event import Event, Packet, carries, read_event, read_packet
from tasks.coinflow.fields import Payload
from tasks.coinflow.payloads import Subscription
from tasks.errors import PayloadInvalid, Stalled
from tasks.pipeline.dispatch import Delivery, Work, unfinished
from tasks.pipeline.fulfilment import fulfil
from tasks.pipeline.routing import INTAKE, route
from tasks.store.database import insert_missing
from tasks.store.dead_letters import bury, finish
from tasks.store.runs import DEADLINE
from tasks.store.schema import RunState, SetAside, events, handler_runs
from tasks.store.subscriptions import record
from tasks.worker.retries import Kind, kind, try_again

_log = structlog.get_logger(__name__)
_STORED = select(events.c.key, events.c.id, events.c.set_aside).where(
    events.c.key.in_(bindparam("keys", expanding=True))
)


@app.task(name=INTAKE_TASK, bind=True, shown_arguments="<events>")
def store_events(self: Task[..., None], deliveries: list[Delivery]) -> None:
    """Store the events, fulfil their payments, and send what is left to do to its handlers.

    A list that is delivered again or fails is split, so that one event that kills its worker or cannot be
    stored holds up no other. One that cannot be stored for good goes to the dead queue.
    """
    redelivered = (self.request.delivery_info or {}).get("redelivered")
    if redelivered and len(deliveries) > 1:
        for delivery in deliveries:
            self.delay([delivery])
        return
    try:
        with engine().begin() as connection:
            work = store(connection, deliveries, settings.merchant_ids)
    except SoftTimeLimitExceeded as error:
        raise Stalled("The events were not stored in time.") from error
    except Exception as error:
        if len(deliveries) == 1 or kind(error) is Kind.TRANSIENT:
            try_again(self, error)
            raise
        _log.exception("intake.split", events=len(deliveries))
        for delivery in deliveries:
            self.delay([delivery])
        return
    if work.payment_ids and not redelivered:
        work = _fulfil(work)
    work.send()


def _fulfil(work: Work) -> Work:
    """Fulfil the payments at once, which saves a message; return what is left, among it what failed."""
    try:
        with engine().begin() as connection:
            fulfil(connection, catalog(), work.payment_ids)
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
    arrivals: dict[str, _Arrival] = {}
    for delivery in deliveries:
        arrival = _Arrival.read(delivery, merchant_ids)
        arrivals.setdefault(arrival.packet.key, arrival)
    # One order for everybody: two intakes with the same keys would otherwise lock each other out.
    ordered = [arrivals[key] for key in sorted(arrivals)]
    insert_missing(connection, events, [arrival.row() for arrival in ordered])
    rows = connection.execute(_STORED, {"keys": list(arrivals)}).all()
    ids = {row.key: row.id for row in rows}
    _count_in(connection, [row.id for row in rows if row.set_aside and not arrivals[row.key].set_aside])
    now = datetime.now(UTC)
    runs = [
        {
            "event_id": ids[arrival.packet.key],
            "handler": handler,
            "state": RunState.PENDING,
            "sent_at": now,
            "due_at": now + DEADLINE,
        }
        for arrival in ordered
        for handler in arrival.handlers
    ]
    insert_missing(connection, handler_runs, runs)
    record(
        connection,
        [
            (arrival.event, ids[arrival.packet.key])
            for arrival in ordered
            if arrival.event and not arrival.set_aside and carries(arrival.event, Subscription)
        ],
    )
    work = unfinished(connection, list(ids.values()))
    faults = {ids[arrival.packet.key]: arrival.fault for arrival in ordered}
    for event_id in work.unread:
        if fault := faults[event_id]:
            bury(connection, [event_id], INTAKE, fault, attempts=1)
    return replace(work, unread={})


def _count_in(connection: Connection, event_ids: Collection[int]) -> None:
    """Let events count that were set aside and now may: the accepted merchants or the models have changed."""
    if event_ids:
        connection.execute(update(events).where(events.c.id.in_(event_ids)).values(set_aside=None))
        finish(connection, event_ids, INTAKE)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A delivery, and what intake makes of it."""

    delivery: Delivery
    packet: Packet
    event: Event[Payload] | None = None
    set_aside: SetAside | None = None
    fault: PayloadInvalid | None = None

    @classmethod
    def read(cls, delivery: Delivery, merchant_ids: Collection[str]) -> Self:
        packet = read_packet(delivery["body"])
        try:
            event = read_event(packet)
        except PayloadInvalid as fault:
            return cls(delivery, packet, set_aside=SetAside.INVALID, fault=fault)
        merchant = event.payload.merchant_id if event else None
        # Refunds and others name no merchant: their payment's other events do.
        is_foreign = bool(merchant_ids) and merchant is not None and merchant not in merchant_ids
        return cls(delivery, packet, event, SetAside.FOREIGN if is_foreign else None)

    @property
    def handlers(self) -> Sequence[str]:
        """Where it goes; one that does not fit its type stays with intake."""
        if self.fault:
            return [INTAKE]
        return route(self.event) if self.event and not self.set_aside else []

    def row(self) -> dict[str, object]:
        return {
            "key": self.packet.key,
            "event_type": self.packet.event_type,
            "payment_id": self.packet.payment_id,
            "created": self.packet.created,
            "received_at": datetime.fromisoformat(self.delivery["received_at"]),
            "body": self.delivery["body"],
            "set_aside": self.set_aside,
        }
