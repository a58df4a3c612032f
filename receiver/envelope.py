"""The envelope of a webhook: the little that must hold before an event is taken in.

Versions 2 and 3 share it: `eventType`, `category`, `created`, `data`, all required by Coinflow's OpenAPI
(`WebhookPacket`). `category` is no reliable switch and is not looked at.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError


class Envelope(BaseModel):
    """A webhook's frame; what `data` holds is the tasks' business."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    eventType: Annotated[StrictStr, Field(min_length=1)]  # noqa: N815  # Coinflow's spelling is what errors must name
    created: StrictStr
    data: dict[str, Any]


class EnvelopeError(ValueError):
    """The body is no envelope; the message says which field, what was expected and what came."""


_EXPECTED = {
    "eventType": "a string that is not empty",
    "created": "a string",
    "data": "an object",
}


def read_envelope(body: bytes) -> Envelope:
    """Return the envelope in a raw body. Raises EnvelopeError."""
    try:
        return Envelope.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
    if fault["type"] == "json_invalid":
        raise EnvelopeError(f"The body is not JSON: {fault['ctx']['error']}.")
    if not fault["loc"]:
        raise EnvelopeError(f"The body: expected an object, got {_kind(fault['input'])}.")
    field = str(fault["loc"][0])
    came = "nothing" if fault["type"] == "missing" else _kind(fault["input"])
    raise EnvelopeError(f"{field}: expected {_EXPECTED[field]}, got {came}.")


_KINDS: Sequence[tuple[type, str]] = (
    (type(None), "null"),
    (bool, "a boolean"),  # before int, of which Python makes it a kind
    (int, "a number"),
    (float, "a number"),
    (list, "an array"),
    (dict, "an object"),
)


def _kind(value: object) -> str:
    """Name a JSON value's type, without its content, which may be private."""
    if value == "":
        return "an empty string"
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "a string")
