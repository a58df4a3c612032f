"""Sample packets of every event type, in the shape that Coinflow documents.

The field names are Coinflow's; the values are made up.
"""

from importlib.resources import files
from typing import Any, Literal

from pydantic_core import from_json

from tasks.coinflow.event_types import EVENT_TYPES, Family

#: The families whose fields Version 3 changed (Coinflow's OpenAPI, the `*WebhookData3` schemas).
_VERSIONED = {Family.PURCHASE, Family.DECLINED, Family.SETTLED, Family.CHARGEBACK, Family.SUBSCRIPTION}


def sample(event_type: str, api_version: Literal[2, 3] = 3) -> dict[str, Any]:
    """Return a new packet of the event type; one that the table does not know looks like a purchase."""
    known = EVENT_TYPES.get(event_type)
    family = known.family if known else Family.PURCHASE
    packet: dict[str, Any] = from_json((files(__name__) / f"{family}.json").read_bytes())
    packet["eventType"] = event_type
    packet["category"] = known.category if known else "Purchase"
    if api_version == 2 and family in _VERSIONED:  # noqa: PLR2004 - the type names the values
        data = packet["data"]
        data.pop("rawCustomerId", None)
        data["wallet"] = data.pop("customerId")
    return packet


def literal(text: str) -> Any:
    """Return the JSON value that the text is, or the text."""
    try:
        return from_json(text, allow_inf_nan=False)
    except (TypeError, ValueError):  # TypeError: a string that UTF-8 cannot encode
        return text


def apply(packet: dict[str, Any], path: str, value: str) -> None:
    """Set the field at a dotted path, such as `data.subtotal.cents`, to the value's `literal`.

    What lies on the way and is no object becomes one.
    """
    *parents, name = path.split(".")
    place = packet
    for parent in parents:
        if not isinstance(place.get(parent), dict):
            place[parent] = {}
        place = place[parent]
    place[name] = literal(value)


def with_identity(
    packet: dict[str, Any],
    *,
    payment_id: str | None = None,
    wallet: str | None = None,
    item: str | None = None,
    quantity: Any = None,
    cents: int | None = None,
) -> None:
    """Say in a sample whose payment it is, and for what; None leaves a field as it is.

    Each value goes where the packet has a field for it, and nowhere if it has none. `cents` is the price; the
    total keeps its distance to it. `quantity` may be any value, so that faulty ones can be sent.
    """
    data = packet["data"]
    _replace(data, ("id", "paymentId"), payment_id)
    _replace(data, ("wallet", "customerId", "rawCustomerId", "userId", "user"), wallet)
    if "webhookInfo" in data:
        if item is not None:
            data["webhookInfo"]["item"] = item
        if quantity is not None:
            data["webhookInfo"]["quantity"] = quantity
    if cents is None:
        return
    _replace(data.get("amount", {}), ("cents",), cents)
    totals = data.get("totals", data)
    if "subtotal" in totals:
        difference = cents - totals["subtotal"]["cents"]
        for name in ("subtotal", "total", "resolution"):
            if name in totals:
                totals[name]["cents"] += difference


def _replace(fields: dict[str, Any], names: tuple[str, ...], value: object) -> None:
    if value is not None:
        fields.update({name: value for name in names if name in fields})
