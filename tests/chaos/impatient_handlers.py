"""A merchant's `tasks/handlers.py` whose other side is never there."""

from typing import Any

from tasks.coinflow.event import Event
from tasks.errors import TransientError
from tasks.merchant import on


@on("KYC Created")
def is_never_through(event: Event[Any]) -> None:  # noqa: ARG001  # a handler's signature
    raise TransientError
