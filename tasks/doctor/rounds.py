"""Rounds: groups of checks, side by side, so that what hangs in one hides nothing of another."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from tasks.doctor.finding import Finding, Level

#: Seconds for each group: more than all of its own time limits together.
PATIENCE = 20.0

#: Yields what it finds, one after the other.
Group = Callable[[], Iterable[Finding]]


def examine_all(groups: Mapping[str, Group], patience: float = PATIENCE) -> list[Finding]:
    """Return what all groups find, in their order; of one that hangs or fails, what it had found."""
    found: dict[str, list[Finding]] = {name: [] for name in groups}
    threads = {}
    for name, group in groups.items():
        # One that hangs must not keep the command from its end.
        threads[name] = threading.Thread(target=_examine, args=[name, group, found[name]], daemon=True)
        threads[name].start()
    deadline = time.monotonic() + patience
    listed = []
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        is_late = thread.is_alive()
        listed += found[name].copy()
        if is_late:
            listed.append(_late(name, patience))
    return listed


def _examine(name: str, group: Group, found: list[Finding]) -> None:
    try:
        for each in group():
            found.append(each)  # noqa: PERF402  # one by one, for the next may hang
    except Exception as error:  # noqa: BLE001  # whatever it is, the other groups are shown
        found.append(_failed(name, error))


def _late(name: str, patience: float) -> Finding:
    return Finding(
        check=name,
        level=Level.FAULT,
        seen=f"no further answer within {patience:.0f} s",
        next_step="It hangs: look at its server, and at the network on the way there.",
    )


def _failed(name: str, error: Exception) -> Finding:
    return Finding(
        check=name,
        level=Level.FAULT,
        seen=f"the look at it failed: {type(error).__name__}: {' '.join(str(error).split())}",
        next_step="Mend what the message names.",
    )
