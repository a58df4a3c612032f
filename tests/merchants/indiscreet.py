"""A handler whose error says all that it was given."""

from typing import Any

from tasks.merchant import Event, on


@on("Settled")
def quote(event: Event[Any]) -> None:
    told = repr(event.payload)
    raise LookupError(told)
