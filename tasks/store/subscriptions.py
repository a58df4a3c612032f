"""Subscriptions: what Coinflow last said of each. What a cycle bought is a payment of its own."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from sqlalchemy import Connection

from tasks.coinflow.account_payloads import Subscription
from tasks.coinflow.event import Event, storable
from tasks.store.dialects import insert
from tasks.store.schema import subscriptions

#: The state after each event, in the words of Coinflow's `IPopulatedSubscription.status`. Of two events that
#: state the same time the later one here has the last word.
_STATES: Mapping[str, str] = MappingProxyType(
    {
        "Subscription Created": "active",
        "Subscription Failure": "failed",
        "Subscription Expired": "expired",
        "Subscription Canceled": "canceled",
        "Subscription Concluded": "concluded",
    }
)


def record(connection: Connection, events: Collection[tuple[Event[Subscription], int]]) -> None:
    """Note each subscription's state, unless an event that happened later has been noted before.

    `events` come with the ids they are stored under.
    """
    if not events:
        return
    upsert = insert(connection.dialect.name, subscriptions)
    upsert = upsert.on_conflict_do_update(
        index_elements=[subscriptions.c.id],
        set_={
            name: upsert.excluded[name] for name in ("state", "plan_code", "wallet", "position", "event_id")
        },
        where=upsert.excluded.position > subscriptions.c.position,
    )
    # One order for everybody, as with every lock.
    for event, event_id in sorted(events, key=lambda each: each[0].payload.subscription_id):
        payload = event.payload
        row = {
            "id": payload.subscription_id,
            "state": _STATES[event.type.name],
            "plan_code": storable(payload.plan_code or ""),
            "wallet": storable(payload.customer_id or ""),
            "position": _position(event),
            "event_id": event_id,
        }
        connection.execute(upsert, row)


def _position(event: Event[Subscription]) -> str:
    """Return the event's place among others by the time it states, as text of one length."""
    moment = event.happened_at
    seconds = max(0.0, moment.timestamp()) if moment else 0.0
    return f"{seconds:020.6f} {list(_STATES).index(event.type.name)} {event.key}"
