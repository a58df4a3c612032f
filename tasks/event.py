"""A stored webhook, read."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from tasks.event_types import EVENT_TYPES
from tasks.payloads import payment_id_of


@dataclass(frozen=True, slots=True)
class Event:
    """One event of Coinflow's, in either version of the payload."""

    #: The idempotency key: equal for every copy of the event.
    key: str
    event_type: str
    #: When Coinflow says it happened, as it wrote it.
    created: str
    #: The payment it speaks of, or None.
    payment_id: str | None
    data: dict[str, Any]


#: Characters of a name that a column keeps; the body keeps it whole.
_NAME_LENGTH = 200


def _storable(name: str) -> str:
    """Return a name as every database can store and index it: NUL escaped, cut to a bounded length."""
    return name.replace("\0", "\\0")[:_NAME_LENGTH]


def read_event(body: str) -> Event:
    """Return the event in a body that the receiver has accepted.

    Coinflow sends no event id. The key is a hash of the whole packet, whatever its spacing and the order
    of its names: `eventType` and the payment's id alone would make one of two partial refunds.
    """
    packet = from_json(body)
    canonical = json.dumps(packet, sort_keys=True, separators=(",", ":"))
    event_type = packet["eventType"]
    known = EVENT_TYPES.get(event_type)
    payment_id = payment_id_of(known.family, packet["data"]) if known else None
    return Event(
        key=hashlib.sha256(canonical.encode()).hexdigest(),
        event_type=_storable(event_type),
        created=_storable(packet["created"]),
        # A longer or unprintable id is none of Coinflow's, and no column could index it.
        payment_id=payment_id if payment_id and payment_id == _storable(payment_id) else None,
        data=packet["data"],
    )
