"""Arrivals: whether what has come can be read, and whether it is this merchant's."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from tasks.coinflow.event import read_event, read_packet
from tasks.errors import PayloadInvalid
from tasks.pipeline.dispatch import Delivery
from tasks.store.events import Arrival
from tasks.store.states import SetAside


def read_all(deliveries: Iterable[Delivery], merchant_ids: Collection[str]) -> Mapping[str, Arrival]:
    """Return what has come by its key, as `read` does; of copies the first."""
    arrivals: dict[str, Arrival] = {}
    for delivery in deliveries:
        arrival = read(delivery, merchant_ids)
        arrivals.setdefault(arrival.packet.key, arrival)
    return arrivals


def read(delivery: Delivery, merchant_ids: Collection[str]) -> Arrival:
    """Return an event that has come, set aside where it cannot be read, or names none of these merchants."""
    packet = read_packet(delivery["body"])
    arrival = Arrival(packet, delivery["body"], datetime.fromisoformat(delivery["received_at"]))
    try:
        event = read_event(packet)
    except PayloadInvalid as fault:
        return replace(arrival, set_aside=SetAside.INVALID, fault=fault)
    if not event or not merchant_ids:
        return replace(arrival, event=event)
    if event.merchant_fault:
        return replace(arrival, event=event, set_aside=SetAside.FOREIGN, fault=event.merchant_fault)
    merchant = event.payload.merchant_id
    # Refunds and others name no merchant: their payment's other events do.
    is_foreign = merchant is not None and merchant not in merchant_ids
    return replace(arrival, event=event, set_aside=SetAside.FOREIGN if is_foreign else None)
