"""How much memory processes take, as Linux counts it."""

import re
from pathlib import Path
from typing import NamedTuple

#: Bytes, as hosts count.
MEGABYTE = 1_000_000


class Memory(NamedTuple):
    """Bytes that processes take.

    `rss` counts a page that several share once for each, `pss` (proportional set size) once in all: the
    sum of `pss` is what a machine must have.
    """

    rss: int
    pss: int

    def __str__(self) -> str:
        return f"{self.pss / MEGABYTE:.0f} MB of PSS, {self.rss / MEGABYTE:.0f} MB of RSS"


def memory(process: int) -> Memory:
    """Return what a process takes. Raises OSError where there is no such process, or no Linux."""
    said = Path(f"/proc/{process}/smaps_rollup").read_text()
    kilobytes = {name: int(number) for name, number in re.findall(r"^(\w+): +(\d+) kB$", said, re.MULTILINE)}
    return Memory(1024 * kilobytes["Rss"], 1024 * kilobytes["Pss"])


def total(processes: list[int]) -> Memory:
    """Return what processes take together."""
    each = [memory(process) for process in processes]
    return Memory(sum(one.rss for one in each), sum(one.pss for one in each))
