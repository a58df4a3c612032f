"""What a command of `coinflowctl` takes of a processor.

    python -m benchmarks.command_cost [times]

It types each command so many times, five unless told otherwise, on what the environment names, and prints the
median of the processor time: what somebody waits for who looks something up, and what a script pays again and
again.
"""

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_LINES = (
    "--version",
    "wallets show alice",
    "payments list",
    "payments list --json",
    "payments show pay-1",
    "events list",
    "find alice",
    "notifications list",
    "endpoints list",
    "catalog show",
    "dead-letters list",
)


def main(times: int) -> None:
    """Measure and print."""
    for line in _LINES:
        costs = [_cost(line) for _ in range(times)]
        print(f"{statistics.median(costs):.2f} s  coinflowctl {line}", flush=True)  # noqa: T201  # its purpose


def _cost(line: str) -> float:
    before = _used()
    subprocess.run(
        [_ROOT / "bin" / "coinflowctl", *line.split()],
        cwd=_ROOT,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return _used() - before


def _used() -> float:
    """Return the seconds that all have used that this process has started, and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
