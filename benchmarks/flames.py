"""Flame graphs of a receiver process and of a worker's child under full load, by py-spy.

    make flames
    python -m benchmarks.flames [seconds]

It writes `flames-door.svg` and `flames-worker.svg` into `benchmarks/results/`.
"""

import subprocess
import sys

from benchmarks.ledger import Ledger
from benchmarks.load import load
from benchmarks.ours import ours
from benchmarks.processor import family
from benchmarks.report import FOLDER
from benchmarks.servers import Servers
from benchmarks.subject import Extent

_CONNECTIONS = 32


def main(seconds: int) -> None:
    """Load and look."""
    FOLDER.mkdir(exist_ok=True)
    with (
        Servers() as servers,
        ours("ours").start(servers, Extent.WHOLE_WAY) as running,
        Ledger(running.database_url) as ledger,
    ):
        ledger.wait_for(load(running.url, _CONNECTIONS, 2).accepted)
        watching = []
        for role in ("door", "worker"):
            # The first process only watches over the others.
            _, process, *_ = family(running.roles[role])
            options = ["--format", "flamegraph", "--duration", str(seconds), "--rate", "200", "--nonblocking"]
            picture = FOLDER / f"flames-{role}.svg"
            words = ["py-spy", "record", *options, "--output", str(picture), "--pid", str(process)]
            watching.append(subprocess.Popen(words))
        load(running.url, _CONNECTIONS, seconds)
        for each in watching:
            if each.wait(timeout=60):
                raise SystemExit("py-spy failed; it must be allowed to trace other processes.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
