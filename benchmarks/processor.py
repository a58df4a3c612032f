"""Processor time, as Linux counts it: of processes with all that they start, and of the whole machine."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
#: Processes by what they do: door, broker, worker, database.
Roles = Mapping[str, Sequence[int]]


def seconds(processes: Iterable[int]) -> float:
    """Return what processes and all that they have started took, user and system, ended children included."""
    return sum(_own(process) + seconds(_children(process)) for process in processes)


def family(processes: Iterable[int]) -> list[int]:
    """Return processes with all that they have started and that still runs."""
    return [each for process in processes for each in (process, *family(_children(process)))]


def by_role(roles: Roles) -> dict[str, float]:
    """Return the seconds of each role."""
    return {role: seconds(processes) for role, processes in roles.items()}


def _own(process: int) -> float:
    try:
        said = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # The name, in parentheses, may hold anything.
    fields = said.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def _children(process: int) -> list[int]:
    found: list[int] = []
    # Each thread lists its own.
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += map(int, thread.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


class Machine(NamedTuple):
    """Seconds of all processors since the machine started."""

    total: float
    idle: float
    stolen: float

    @classmethod
    def now(cls) -> "Machine":
        """Return what the machine has counted so far."""
        fields = [int(each) / _TICKS for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        return cls(sum(fields), fields[3] + fields[4], fields[7])

    def since(self, earlier: "Machine") -> "Machine":
        """Return what has been counted since."""
        return Machine(*(now - before for now, before in zip(self, earlier, strict=True)))
