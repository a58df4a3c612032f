"""The envelope of a webhook: the little that must hold before an event is taken in.

Versions 2 and 3 share it: `eventType`, `category`, `created`, `data`, all required by Coinflow's OpenAPI
(`WebhookPacket`). `category` is no reliable switch and is not looked at.

JSON is what RFC 8259 says: UTF-8 without a byte order mark, no NaN, no Infinity. It lets a parser set limits;
ours are 201 levels, and 4,300 digits of a whole number.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json

from celeryconfig import SHOWN_ID
from receiver.reasons import NotTakenIn, Reason


class Envelope(NamedTuple):
    """A webhook's frame; what `data` holds is the tasks' business."""

    event_type: str
    #: The body as it came, but that no string in it holds half a character.
    text: str
    #: By which logs name the payment, if the event seems to speak of one.
    payment_id: str | None


class EnvelopeError(NotTakenIn):
    """The body is no envelope; the message says which field, what was expected and what came."""


_FIELDS: Sequence[tuple[str, Callable[[Any], bool], str]] = (
    ("eventType", lambda value: isinstance(value, str) and value != "", "a string that is not empty"),
    ("created", lambda value: isinstance(value, str), "a string"),
    ("data", lambda value: isinstance(value, dict), "an object"),
)


def read_envelope(body: bytes) -> Envelope:
    """Return the envelope in a raw body. Raises EnvelopeError."""
    try:
        packet = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        mended = _mend(body)
        if mended != body:
            return read_envelope(mended)
        raise EnvelopeError(Reason.NOT_JSON, f"The body is not JSON: {error}.") from None
    if not isinstance(packet, dict):
        raise EnvelopeError(Reason.NOT_AN_EVENT, f"The body: expected an object, got {_kind(packet)}.")
    for field, fits, expected in _FIELDS:
        if not fits(packet.get(field)):
            came = _kind(packet[field]) if field in packet else "nothing"
            raise EnvelopeError(Reason.NOT_AN_EVENT, f"{field}: expected {expected}, got {came}.")
    return Envelope(packet["eventType"], body.decode(), _payment_id(packet["data"]))


def _payment_id(data: dict[str, Any]) -> str | None:
    # Purchases and what becomes of them say `id`, refunds and deposits `paymentId`.
    given = data.get("paymentId", data.get("id"))
    return given if isinstance(given, str) and SHOWN_ID.fullmatch(given) else None


#: An escape in JSON: a pair of surrogates, one that is alone, or any other.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _mend(body: bytes) -> bytes:
    r"""Replace each surrogate that is alone by U+FFFD.

    JavaScript writes half of a character as `"\ud83d"`: what is left of a name that was cut to a length.
    RFC 8259 allows it, neither our parser nor any database can hold it, and no purchase shall fail for it.
    """
    return _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)


_KINDS: Sequence[tuple[type, str]] = (
    (type(None), "null"),
    (bool, "a boolean"),  # before int, of which Python makes it a kind
    (int, "a number"),
    (float, "a number"),
    (list, "an array"),
    (dict, "an object"),
)


def _kind(value: Any) -> str:
    """Name a JSON value's type, without its content, which may be private."""
    if value == "":
        return "an empty string"
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "a string")
