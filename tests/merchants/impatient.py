"""A handler whose other side is never there."""

from typing import Any

from tasks.merchant import Event, TransientError, on


@on("KYC Created")
def is_never_through(event: Event[Any]) -> None:  # noqa: ARG001  # a handler's signature
    raise TransientError
