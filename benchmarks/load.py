"""Load by wrk: as many purchases as so many connections carry, each the next once its answer has come."""

import os
import random
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.purchases import templates
from tests.stack import KEY

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Loaded:
    """What the load generator saw: answers of 200, seconds, milliseconds until the answer."""

    accepted: int
    seconds: float
    p50: float
    p99: float
    worst: float
    #: Seconds of the processor that the generator took.
    processor: float

    @property
    def per_second(self) -> float:
        """Accepted events per second."""
        return self.accepted / self.seconds


def load(url: str, connections: int, seconds: int) -> Loaded:
    """Send purchases for so many seconds. Raises SystemExit where an answer was anything but 200."""
    command = shutil.which("wrk")
    if command is None:
        raise SystemExit("The load comes from wrk, which is not installed. On Debian: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(templates())
        file.flush()
        arguments = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT), url]
        own = ["--", file.name, KEY, str(random.SystemRandom().randrange(2**31))]
        before = os.times()
        said = subprocess.run([command, *arguments, *own], capture_output=True, text=True, check=True).stdout
        after = os.times()
    # load.lua says it so.
    figures = [float(each) for each in said.partition("FIGURES ")[2].split()]
    requests, refused, broken, microseconds, *times = figures
    if refused or broken:
        raise SystemExit(
            f"{refused:.0f} of {requests:.0f} requests were refused, {broken:.0f} broke.\n{said}"
        )
    processor = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    p50, p99, worst = (each / 1000 for each in times)
    return Loaded(int(requests), microseconds / 1e6, p50, p99, worst, processor)
