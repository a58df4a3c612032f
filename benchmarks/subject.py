"""What is measured: a receiver with what stands behind it, ours or another's."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.servers import Servers


class Extent(StrEnum):
    """How much of a subject runs."""

    #: What answers the deliveries; what it hands off waits.
    DOOR = "door"
    #: Also what takes it from there to the ledger.
    WHOLE_WAY = "whole way"


@dataclass(frozen=True)
class Running:
    """A subject that runs and is ready."""

    url: str
    #: The processes by what they do.
    roles: Mapping[str, Sequence[int]]
    #: Where its ledger is.
    database_url: str
    #: Seconds from the door's start until it was ready.
    ready_after: float


@dataclass(frozen=True)
class Subject:
    """A subject by its name, and how it is run."""

    name: str
    start: Callable[[Servers, Extent], AbstractContextManager[Running]] = field(repr=False)
