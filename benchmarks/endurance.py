"""Whether receiver and worker take ever more memory: it is printed after each part of very many deliveries.

make bench-memory
python -m benchmarks.endurance [deliveries]
"""

import sys
import time

from benchmarks.ledger import Ledger
from benchmarks.load import load
from benchmarks.ours import ours
from benchmarks.processor import family
from benchmarks.servers import Servers
from benchmarks.subject import Extent, Running
from tests.memory import MEGABYTE, total

_CONNECTIONS = 32
#: Seconds of load in each part; what is granted less quickly is waited for.
_PART = 30


def main(deliveries: int) -> None:
    """Load, wait, and print."""
    began, sent = time.monotonic(), 0
    with (
        Servers() as servers,
        ours("ours").start(servers, Extent.WHOLE_WAY) as running,
        Ledger(running.database_url) as ledger,
    ):
        _say(f"{'deliveries':>12} {'minutes':>8} {'door, MB of PSS':>16} {'worker, MB of PSS':>18}")
        while sent < deliveries:
            sent += load(running.url, _CONNECTIONS, _PART if sent else 2).accepted
            ledger.wait_for(sent)
            minutes = (time.monotonic() - began) / 60
            door, worker = (_megabytes(running, role) for role in ("door", "worker"))
            _say(f"{sent:>12,} {minutes:>8.1f} {door:>16.1f} {worker:>18.1f}")


def _megabytes(running: Running, role: str) -> float:
    return total(family(running.roles[role])).pss / MEGABYTE


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # what a benchmark is for


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
