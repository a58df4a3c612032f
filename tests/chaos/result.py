"""What became of a row's traffic, read from the database, and the table of all rows."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.table import Table
from sqlalchemy import Engine, func, select

from tasks.store.schema import dead_letters, events, grants, ledger_entries
from tests.chaos.load import Load, Packet


@dataclass(frozen=True)
class Result:
    """A row of the table; `failures` tell what was answered otherwise than promised, or not in time."""

    fault: str
    servers: str
    injected: int
    sent: int
    answered: int
    slowest: float
    granted: int
    lost: int
    doubled: int
    recovery: float
    failures: list[str]
    notes: list[str]

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        return not (self.lost or self.doubled or self.failures)

    @property
    def summary(self) -> str:
        """The row in a line, and what there is to say about it."""
        counts = f"lost {self.lost}, doubled {self.doubled}, recovered in {self.recovery:.1f} s"
        return "\n".join([f"  {counts}", *(f"  {each}" for each in (*self.failures, *self.notes))])


def lost(engine: Engine, accepted: set[Packet]) -> set[Packet]:
    """Return what was answered 200 and has not arrived: a payment not granted, another event not stored."""
    with engine.connect() as connection:
        granted = {(row.payment_id, row.wallet) for row in connection.execute(select(grants))}
        others = select(events.c.body).where(events.c.event_type != "Settled")
        stored = set(connection.execute(others).scalars())
    return {
        each
        for each in accepted
        if (
            (each.payment_id, each.wallet) not in granted
            if each.event_type == "Settled"
            else each.body not in stored
        )
    }


def doubled(engine: Engine) -> int:
    """Return how many payments have moved a wallet by anything else than one item, or more than once."""
    moved = select(func.count(), func.sum(ledger_entries.c.delta)).group_by(ledger_entries.c.payment_id)
    with engine.connect() as connection:
        return sum((moves, delta) != (1, 1) for moves, delta in connection.execute(moved))


def granted(engine: Engine) -> int:
    """Return how many payments are granted."""
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(grants)).scalar_one()


def dead_handlers(engine: Engine) -> set[str]:
    """Return the handlers that have given an event up."""
    with engine.connect() as connection:
        return set(connection.execute(select(dead_letters.c.handler)).scalars())


def slowest_grant(engine: Engine, since: datetime) -> float:
    """Return the most seconds from a payment's first `Settled`, received since then, to its grant."""
    query = (
        select(func.min(events.c.received_at), func.min(grants.c.granted_at))
        .join(grants, grants.c.payment_id == events.c.payment_id)
        .where(events.c.event_type == "Settled")
        .group_by(events.c.payment_id)
        .having(func.min(events.c.received_at) >= since)
    )
    with engine.connect() as connection:
        waits: list[timedelta] = [granted_at - received for received, granted_at in connection.execute(query)]
    return max(waits).total_seconds()


def answers(load: Load) -> str:
    """Return how often each status was answered."""
    counts = Counter(each.status for each in load.answers)
    return ", ".join(f"{count} of {status or 'none'}" for status, count in sorted(counts.items()))


def table(results: list[Result], seed: int) -> Table:
    """Return the rows as people read them."""
    shown = Table(title=f"Faults (seed {seed})")
    shown.add_column("fault")
    shown.add_column("on")
    for name in (
        "injected",
        "sent",
        "answered 200",
        "slowest, s",
        "granted",
        "lost",
        "doubled",
        "recovered, s",
    ):
        shown.add_column(name, justify="right")
    shown.add_column("")
    for each in results:
        shown.add_row(
            each.fault,
            each.servers,
            *map(str, (each.injected, each.sent, each.answered, f"{each.slowest:.1f}", each.granted)),
            *map(str, (each.lost, each.doubled, f"{each.recovery:.1f}")),
            "[green]holds[/]" if each.holds else "[red]BROKEN[/]",
        )
    return shown
