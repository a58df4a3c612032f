"""Handlers that fail at first, or for good."""

from pathlib import Path
from typing import Any

from tasks.merchant import Event, PermanentError, on


def _times(event: Event[Any]) -> int:
    """Count the calls for an event, in a file."""
    calls = Path("var") / event.key
    calls.parent.mkdir(exist_ok=True)
    with calls.open("a+") as file:
        file.write(".")
    return len(calls.read_text())


@on("KYC Success")
def away_at_first(event: Event[Any]) -> None:
    if _times(event) < 3:
        raise ConnectionError("not yet")


@on("KYC Failure")
def refuses(event: Event[Any]) -> None:  # noqa: ARG001  # a handler's signature
    raise PermanentError("not this one")


@on("Settled")
def wrong_at_first(event: Event[Any]) -> None:
    if _times(event) < 2:
        raise ValueError("once")
