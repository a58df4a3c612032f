"""Rereading: after an upgrade that learns to read more, extracts the facts of stored events anew."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row

from tasks.coinflow.event import read_event, read_packet
from tasks.errors import PayloadInvalid
from tasks.pipeline.dispatch import Work, plan
from tasks.pipeline.routing import INTAKE
from tasks.store import events, runs
from tasks.store.actions import Change, Operator, record
from tasks.store.fulfilment import FULFILMENT
from tasks.store.states import ActionKind, RunState, SetAside

#: Events per transaction.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Reread:
    """What a batch came to."""

    events: int
    #: Those that do not fit their type; what an earlier version read of them stands.
    unreadable: int
    #: What is to be done, because an event says another thing than before.
    work: Work


def reread(engine: Engine, by: Operator) -> Iterator[Reread]:
    """Read every event that another version has read, batch by batch, each in a transaction of its own.

    A payment of which an event says another thing is to be fulfilled again, and an event that did not fit its
    type and now does is to be taken in again.
    """
    after = 0
    while True:
        with engine.begin() as connection:
            rows = events.stale(connection, after, _BATCH)
            if not rows:
                return
            batch = _reread(connection, rows)
            record(connection, by, ActionKind.REREAD, _change(rows, batch))
        yield batch
        after = rows[-1].id


def _reread(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> Reread:
    changed: list[tuple[int, str]] = []
    unreadable = 0
    for row in rows:
        packet = read_packet(row.body)
        try:
            read_event(packet)
        except PayloadInvalid:
            unreadable += 1
            if row.set_aside != SetAside.INVALID:
                continue
        else:
            if row.set_aside == SetAside.INVALID:
                changed.append((row.id, INTAKE))
                continue
        facts = events.read_anew(row)
        events.refresh(connection, row.id, packet, facts)
        if packet.payment_id and row.set_aside != SetAside.FOREIGN and row.facts != events.facts_text(facts):
            changed.append((row.id, FULFILMENT))
    # Pending first, so that recovery sends what is not sent; one whose type was unknown has no run yet.
    runs.add(connection, changed)
    runs.reopen(connection, changed, [RunState.DONE, RunState.DEAD])
    return Reread(len(rows), unreadable, plan(connection, [event_id for event_id, _ in changed]))


def _change(rows: Sequence[Row[*tuple[Any, ...]]], batch: Reread) -> Change:
    after = {"events": batch.events, "unreadable": batch.unreadable, "payments": len(batch.work.payment_ids)}
    return Change(subject=f"events {rows[0].id} to {rows[-1].id}", after=after)
