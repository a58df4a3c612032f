"""Time from the 200 to the grant, one payment at a time on an idle stack.

    python -m benchmarks.latency [payments]

It starts the receiver and a worker of its own on what the environment names, the embedded broker and SQLite
unless it names others, and prints milliseconds.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx2
from sqlalchemy import Connection, create_engine, select

from tasks.coinflow.samples import sample, with_identity
from tasks.store.schema import grants
from tests.stack import KEY, Stack

_NAMES = ("BROKER_URL", "DATABASE_URL")


def main(payments: int) -> None:
    """Measure and print."""
    environment = {name: os.environ[name] for name in _NAMES if os.environ.get(name)}
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), environment) as stack:
        stack.release()
        stack.start("web", "worker")
        engine = create_engine(stack.environment["DATABASE_URL"])
        with engine.connect() as connection, httpx2.Client(headers={"Authorization": KEY}) as client:
            taken = [_seconds(connection, client, stack.url, f"bench-{each}") for each in range(payments + 1)]
        engine.dispose()
    # The first one opens every connection on the way.
    milliseconds = sorted(1000 * each for each in taken[1:])
    print(  # noqa: T201  # what a benchmark is for
        f"{payments} payments, 200 to grant: median {statistics.median(milliseconds):.0f} ms, "
        f"p99 {milliseconds[int(payments * 0.99)]:.0f} ms, worst {milliseconds[-1]:.0f} ms"
    )


def _seconds(connection: Connection, client: httpx2.Client, url: str, payment_id: str) -> float:
    packet = sample("Settled")
    with_identity(packet, payment_id=payment_id, wallet="bench")
    client.post(url, json=packet).raise_for_status()
    answered = time.perf_counter()
    query = select(grants.c.item).where(grants.c.payment_id == payment_id)
    while connection.execute(query).first() is None:
        connection.rollback()
        if time.perf_counter() - answered > 30:  # noqa: PLR2004
            raise SystemExit(f"{payment_id} was not granted within 30 s.")
    connection.rollback()
    return time.perf_counter() - answered


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
