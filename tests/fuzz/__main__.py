"""Fuzz the receiver: `python -m tests.fuzz CASES SEED`.

Nine cases of ten go straight into the application, one over real HTTP to a receiver of its own on the
embedded broker. It stops at the first failure and says how to see it again.
"""

import asyncio
import resource
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from random import Random

from tests.fuzz.cases import KEY, MAX_BODY_BYTES, make_case
from tests.fuzz.door import Door, Failure
from tests.fuzz.wire import Wire
from tests.stack import Stack

#: Cases that are under way together.
_GROUP = 50


async def fuzz(cases: int, seed: int, wire: Wire) -> None:
    """Run the cases and print what was answered. Raises Failure."""
    door = Door()
    began = time.perf_counter()
    groups = range(max(1, cases // _GROUP))
    with redirect_stdout(door.log):
        for group in groups:
            random = Random(f"{seed}-{group}")
            drawn = [make_case(random) for _ in range(_GROUP)]
            try:
                if group % 10:
                    await door.check(drawn)
                else:
                    for case in drawn:
                        await wire.send(case, random)
                if wire.failures:
                    raise wire.failures[0]
            except Failure as failure:
                raise SystemExit(f"Seed {seed}, at or before group {group}: {failure}") from None
            if group % (len(groups) // 10 or 1) == 0:
                _say(
                    f"{group * _GROUP:>9} cases, {time.perf_counter() - began:6.0f} s; resident: receiver "
                    f"{wire.memory() / 2**20:.0f} MiB, this process {_resident():.0f} MiB"
                )
        await wire.finish()
    seconds = time.perf_counter() - began
    _say(f"{len(groups) * _GROUP} cases with seed {seed} in {seconds:.0f} s, {cases / seconds:.0f} cases/s")
    for name, answers in (("in the application", door.answers), ("over HTTP", wire.answers)):
        _say(f"{name}: " + ", ".join(f"{count} x {answer}" for answer, count in answers.most_common()))


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _say(line: str) -> None:
    print(line, file=sys.__stdout__, flush=True)  # what is seen; the log goes elsewhere


if __name__ == "__main__":
    environment = {"COINFLOW_VALIDATION_KEY": KEY.decode(), "MAX_BODY_BYTES": str(MAX_BODY_BYTES)}
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), environment) as stack:
        stack.start("web")
        asyncio.run(fuzz(int(sys.argv[1]), int(sys.argv[2]), Wire(stack)))
