"""What the embedded broker takes for a durable publish, and for a take with its acknowledgement.

    python -m benchmarks.embedded_broker [backlog]

It measures on an empty queue and again behind a backlog, 20,000 messages unless told otherwise, and prints
milliseconds.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tasks.embedded_broker.file import BrokerFile, QueueLimits

_PAYLOAD = "x" * 3000
_TIMES = 200


def main(backlog: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        file = BrokerFile(Path(folder) / "broker.sqlite3")
        file.declare("events", QueueLimits(None, None, None, None))
        owner = file.owners.new()

        def publish() -> None:
            file.put(["events"], _PAYLOAD, durable=True)

        def take() -> None:
            taken = file.take("events", owner)
            if taken is None:
                raise SystemExit("A message is missing.")
            file.acknowledge(str(taken.id), owner)

        _measure("empty queue", publish, take)
        with file.transaction() as transaction:
            transaction.executemany(
                "INSERT INTO messages (queue, payload) VALUES ('events', ?)", [(_PAYLOAD,)] * backlog
            )
        _measure(f"behind {backlog} messages", publish, take)


def _measure(where: str, publish: Callable[[], None], take: Callable[[], None]) -> None:
    for name, action in (("publish", publish), ("take", take)):
        seconds = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            action()
            seconds.append(time.perf_counter() - began)
        print(  # noqa: T201  # what a benchmark is for
            f"{where}, {name}: median {1000 * statistics.median(seconds):.2f} ms, "
            f"p99 {1000 * sorted(seconds)[int(_TIMES * 0.99)]:.2f} ms"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
