"""A webhook, read: first what any packet states, then the payload that its event type promises."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeGuard, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from tasks.coinflow.event_types import EVENT_TYPES, EventType
from tasks.coinflow.fields import NAME_LENGTH, Payload
from tasks.coinflow.payloads import parse, payment_id_of
from tasks.errors import PayloadInvalid

#: To make one for each packet takes a sixth of the time.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
P = TypeVar("P", bound=Payload)
P_co = TypeVar("P_co", bound=Payload, covariant=True)


def storable(name: str) -> str:
    """Return a name as every database can store and index it; the body keeps it whole."""
    return name.replace("\0", "\\0")[:NAME_LENGTH]


def happened_at(created: str) -> datetime | None:
    """Return the moment that `created` states, in UTC, also where it names no zone; None if it is no time."""
    try:
        moment = datetime.fromisoformat(created)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: the first or last hours of the calendar
        return None


@dataclass(frozen=True, slots=True)
class Packet:
    """What any webhook states, whether or not its data fits its event type."""

    #: The idempotency key: equal for every copy of the event.
    key: str
    event_type: str
    #: When Coinflow says it happened, as it wrote it.
    created: str
    #: The payment it speaks of, or None.
    payment_id: str | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event(Generic[P_co]):
    """One event of Coinflow's, in either version of the payload; its type is one that Coinflow documents."""

    #: Equal for every copy of the event, and so the idempotency key of whatever is done about it.
    key: str
    type: EventType
    #: When Coinflow says it happened, as it wrote it.
    created: str
    #: The payment it speaks of, or None.
    payment_id: str | None
    payload: P_co
    #: The documented fields that were left out because of their type, as dotted paths in Coinflow's names.
    misfits: tuple[str, ...] = ()

    @property
    def merchant_fault(self) -> PayloadInvalid | None:
        """Why nobody can tell whose it is, or None."""
        if "merchantId" not in self.misfits:
            return None
        return PayloadInvalid("data.merchantId: expected a string, for COINFLOW_MERCHANT_IDS is set.")

    @property
    def happened_at(self) -> datetime | None:
        """When Coinflow says it happened, or None if that is no ISO 8601 time."""
        return happened_at(self.created)


def carries(event: Event[Payload], model: type[P]) -> TypeGuard[Event[P]]:
    """Tell whether the event's payload is one of a model's."""
    return isinstance(event.payload, model)


def read_packet(body: str) -> Packet:
    """Return what a body that the receiver has accepted states.

    Coinflow sends no event id. The key is a hash of the whole packet, whatever its spacing and the order
    of its names: `eventType` and the payment's id alone would make one of two partial refunds.
    """
    packet = from_json(body)
    known = EVENT_TYPES.get(packet["eventType"])
    payment_id = payment_id_of(known.family, packet["data"]) if known else None
    return Packet(
        key=hashlib.sha256(_canonical(packet).encode()).hexdigest(),
        event_type=storable(packet["eventType"]),
        created=storable(packet["created"]),
        payment_id=payment_id if payment_id and payment_id == storable(payment_id) else None,
        data=packet["data"],
    )


def read_event(packet: Packet) -> Event[Payload] | None:
    """Return the event with its typed payload, or None if its type is not in the table.

    Raises PayloadInvalid, which names the field that does not fit and repeats nothing of what was sent.
    """
    known = EVENT_TYPES.get(packet.event_type)
    if known is None:
        return None
    try:
        payload, misfits = parse(known.family, packet.data)
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        raise PayloadInvalid(f"data.{'.'.join(map(str, fault['loc']))}: {fault['msg']}.") from None
    return Event(packet.key, known, packet.created, packet.payment_id, payload, misfits)
