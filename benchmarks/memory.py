"""What each process takes of a machine's memory, once payments have passed through it.

    python -m benchmarks.memory [payments]

For each kind of process it starts the Procfile's processes on what the environment names, the embedded broker
and SQLite unless it names others, sends so many payments, 400 unless told otherwise, ends the other kinds, as
if they had a host of their own, and prints megabytes (millions of bytes). PSS counts a page that several
processes share once in all, so its sum is what the host must have; RSS counts it for each.
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.memory import MEGABYTE, memory, total
from tests.stack import Stack
from tests.waiting import wait_until

_NAMES = ("BROKER_URL", "DATABASE_URL", "WEB_CONCURRENCY", "WORKER_CONCURRENCY")
_KINDS = ("worker", "web", "beat", "flower", "metrics")


def main(payments: int) -> None:
    """Measure and print."""
    environment = {name: os.environ[name] for name in _NAMES if os.environ.get(name)}
    _say(f"{'process':<20} {'PSS, MB':>8} {'RSS, MB':>8}")
    for kind in _KINDS:
        with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), environment) as stack:
            stack.release()
            _pay(stack, payments)
            for other in set(_KINDS) - {kind}:
                stack.kill(other)
            _print(kind, stack)


def _pay(stack: Stack, payments: int) -> None:
    # Each is a message of its own, and a backlog of them keeps every child busy.
    stack.start("web", "beat", "flower", "metrics")
    for number in range(payments):
        stack.trigger("Settled", "--payment-id", f"memory-{number}", "--wallet", "memory")
    stack.start("worker")
    wait_until(
        lambda: len(stack.wallet("memory")) == payments,
        what="every payment is granted",
        log=lambda: stack.log("worker"),
    )


def _print(kind: str, stack: Stack) -> None:
    parent, children = stack.processes[kind].pid, stack.children(kind)
    for number, process in enumerate([parent, *children]):
        _print_row(f"{kind}, child {number}" if number else kind, *memory(process))
    if children:
        _print_row(f"{kind}, in sum", *total([parent, *children]))


def _print_row(name: str, rss: int, pss: int) -> None:
    _say(f"{name:<20} {pss / MEGABYTE:>8.1f} {rss / MEGABYTE:>8.1f}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # what a benchmark is for


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
