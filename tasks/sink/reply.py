"""What goes back for a notification."""

from dataclasses import dataclass
from http import HTTPStatus

from tasks.sink.faults import Fault, FaultKind
from tasks.sink.http import Answer

DONE = Answer(HTTPStatus.NO_CONTENT)
_MAY_ASK_TO_WAIT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or none at all, and how a person reads it; `seconds` is how late it goes, if not at once."""

    label: str
    answer: Answer | None
    seconds: float | None = None
    resets: bool = False


def refusal(status: int, reason: str) -> Reply:
    """Return the answer to what cannot be taken."""
    return Reply(f"{status}: {reason}", Answer(status, f"{reason}\n"))


def failure(fault: Fault, retry_after: int | None) -> Reply:
    """Return what a fault sends back; `retry_after` is said where HTTP knows it."""
    match fault.kind:
        case FaultKind.STATUS:
            asks = retry_after is not None and fault.status in _MAY_ASK_TO_WAIT
            headers = {"Retry-After": str(retry_after)} if asks else {}
            return Reply(f"{fault.status} on purpose", Answer(fault.status, "On purpose.\n", headers))
        case FaultKind.DELAY:
            return Reply(f"204 after {fault.seconds:g} s on purpose", DONE, fault.seconds)
        case FaultKind.RESET:
            return Reply("reset on purpose", None, resets=True)
    return Reply("stored, answer lost on purpose", None)
