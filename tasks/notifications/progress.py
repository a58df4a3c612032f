"""How far a try of a notification has come."""

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """What is being waited for, which a time-out names."""

    doing: str = ""
    #: Whether a server may have got the request.
    asked: bool = False
    #: Of the answer, once it is known.
    status: int | None = None
