"""Full load: what the door accepts, and what comes through to the ledger over load and drain."""

import time
from contextlib import ExitStack

from benchmarks.ledger import Ledger
from benchmarks.load import Loaded, load
from benchmarks.measured import Measured, shares
from benchmarks.processor import Machine, by_role
from benchmarks.servers import Servers
from benchmarks.subject import Extent, Running, Subject

#: Seconds before anything counts: connections open, and what compiles on the way is compiled.
_WARM_UP = 2


def pressure(servers: Servers, subject: Subject, extent: Extent, connections: int, seconds: int) -> Measured:
    """Measure what the door accepts while nobody takes it on, or until the last grant is committed."""
    with ExitStack() as exits:
        running = exits.enter_context(subject.start(servers, extent))
        warm = load(running.url, connections, _WARM_UP)
        if extent is Extent.DOOR:
            return _measure(running, connections, seconds, None)
        ledger = exits.enter_context(Ledger(running.database_url))
        ledger.wait_for(warm.accepted)
        ledger.analyze()
        ledger.mark()
        return _measure(running, connections, seconds, ledger)


def _measure(running: Running, connections: int, seconds: int, ledger: Ledger | None) -> Measured:
    machine, before, began = Machine.now(), by_role(running.roles), time.monotonic()
    loaded = load(running.url, connections, seconds)
    figures = {"accepted/s": loaded.per_second, "p50 ms": loaded.p50, "p99 ms": loaded.p99}
    if ledger:
        ledger.wait_for(loaded.accepted)
        figures["granted/s"] = loaded.accepted / (time.monotonic() - began)
    return _with_costs(running, figures, loaded, machine, before)


def _with_costs(
    running: Running, figures: dict[str, float], loaded: Loaded, machine: Machine, before: dict[str, float]
) -> Measured:
    taken = {role: after - before[role] for role, after in by_role(running.roles).items()}
    taken["load"] = loaded.processor
    others, stolen = shares(Machine.now().since(machine), sum(taken.values()))
    per_event = {role: 1000 * each / loaded.accepted for role, each in taken.items()}
    return Measured(figures, per_event, others, stolen)
