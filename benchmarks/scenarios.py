"""What `make bench` measures: each scenario with its subjects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks import limits
from benchmarks.former import former
from benchmarks.long_payment import long_payment
from benchmarks.measured import Measured
from benchmarks.ours import ours
from benchmarks.peers import PEERS
from benchmarks.pressure import pressure
from benchmarks.servers import Servers
from benchmarks.start import start
from benchmarks.steady import steady
from benchmarks.subject import Extent, Subject

_OURS = ours("ours, RabbitMQ + PostgreSQL (2 door, 4 worker)")
_EMBEDDED = ours("ours, embedded + SQLite (2 door, 4 worker)", embedded=True)
_MILLION = 1_000_000
Measure = Callable[[Servers], Measured]


@dataclass(frozen=True)
class Scenario:
    """One table: what is measured, of whom, in turn, and who are the peers that ours is compared to."""

    name: str
    measures: Sequence[tuple[str, Measure]]
    peers: Sequence[str] = ()
    #: The figure that is plotted, or none.
    plotted: str = ""


def scenarios(seconds: int) -> list[Scenario]:
    """Return all, each run with so many seconds of load."""
    doors = [_OURS, *(peer.subject for peer in PEERS if not peer.broker)]
    ways = [_OURS, *(peer.subject for peer in PEERS if peer.worker)]

    def pressed(
        name: str, extent: Extent, subjects: Sequence[Subject], connections: int, plotted: str
    ) -> Scenario:
        measures = [(each.name, partial(_press, each, extent, connections, seconds)) for each in subjects]
        return Scenario(name, measures, _peers(subjects), plotted)

    def steadily(name: str, extent: Extent, subjects: Sequence[Subject], rate: int) -> Scenario:
        measures = [(each.name, partial(_steady, each, extent, rate, seconds)) for each in subjects]
        return Scenario(name, measures, _peers(subjects), "p99 ms")

    return [
        pressed("door, 32 connections", Extent.DOOR, doors, 32, "accepted/s"),
        pressed("door, 128 connections", Extent.DOOR, doors, 128, "accepted/s"),
        _limits(seconds),
        steadily("door, 100 events/s", Extent.DOOR, doors, 100),
        pressed("whole way, 32 connections", Extent.WHOLE_WAY, ways, 32, "granted/s"),
        pressed("whole way, 128 connections", Extent.WHOLE_WAY, ways, 128, "granted/s"),
        steadily("whole way, 50 events/s, request to grant", Extent.WHOLE_WAY, [*ways, _EMBEDDED], 50),
        pressed(
            "embedded, beside the former release",
            Extent.WHOLE_WAY,
            [_EMBEDDED, former()],
            32,
            "granted/s",
        ),
        pressed("growth, events stored before", Extent.WHOLE_WAY, _stored(), 32, "granted/s"),
        pressed("worker processes", Extent.WHOLE_WAY, _processes(), 32, "granted/s"),
        Scenario(
            "one more event of a payment",
            [(f"after {count}", partial(long_payment, count=count)) for count in (1, 50, 500)],
            plotted="worker ms",
        ),
        Scenario(
            "start of the door", [(each.name, partial(start, subject=each)) for each in (*doors, _EMBEDDED)]
        ),
    ]


def _limits(seconds: int) -> Scenario:
    bare = ours("our receiver without the hand-off", entry="benchmarks.limits:without_handoff()")
    return Scenario(
        "limits",
        [
            (f"{bare.name}, 32 connections", partial(_press, bare, Extent.DOOR, 32, seconds)),
            (f"{bare.name}, 128 connections", partial(_press, bare, Extent.DOOR, 128, seconds)),
            ("one Python publisher, 32 unconfirmed", partial(limits.publisher, duration=seconds)),
            ("pgbench, the peers' transaction, 16 clients", partial(limits.transactions, duration=seconds)),
        ],
    )


def _stored() -> list[Subject]:
    return [
        ours(f"{where}, {stored:,} stored", embedded=where == "embedded", stored=stored)
        for where in ("RabbitMQ + PostgreSQL", "embedded")
        for stored in (1_000, _MILLION)
    ]


def _processes() -> list[Subject]:
    return [
        ours(f"WORKER_CONCURRENCY={count}", settings={"WORKER_CONCURRENCY": str(count)})
        for count in (1, 2, 4)
    ]


def _peers(subjects: Sequence[Subject]) -> list[str]:
    names = {peer.subject.name for peer in PEERS}
    return [each.name for each in subjects if each.name in names]


def _press(subject: Subject, extent: Extent, connections: int, seconds: int, servers: Servers) -> Measured:
    return pressure(servers, subject, extent, connections, seconds)


def _steady(subject: Subject, extent: Extent, rate: int, seconds: int, servers: Servers) -> Measured:
    return steady(servers, subject, extent, rate, seconds)
