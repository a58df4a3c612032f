"""Rereading: reads stored events anew, as this version and the accepted merchants would.

After an upgrade it extracts the facts of what another version has read. What was set aside as foreign or
invalid, and would not be now, goes to intake again.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, Engine, Row

from tasks.coinflow.event import read_event, read_packet
from tasks.errors import PayloadInvalid
from tasks.payments.facts import VERSION
from tasks.pipeline.arrivals import read
from tasks.pipeline.dispatch import Work, plan
from tasks.store import events, runs
from tasks.store.actions import Change, Operator, record
from tasks.store.runs import FULFILMENT, INTAKE
from tasks.store.states import ActionKind, RunState, SetAside

#: Events per transaction.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Reread:
    """What a batch came to."""

    events: int
    #: Those that do not fit their type; what an earlier version read of them stands.
    unreadable: int
    #: Those that still name another merchant.
    foreign: int
    #: What is to be done, because an event says another thing than before.
    work: Work


def reread(engine: Engine, by: Operator, merchant_ids: Collection[str] = ()) -> Iterator[Reread]:
    """Read every event that another version has read, or that is set aside, batch by batch.

    Each batch is a transaction of its own. A payment of which an event says another thing is to be fulfilled
    again, and an event that is no more what it was set aside for is to be taken in again.
    """
    after = 0
    while True:
        with engine.begin() as connection:
            rows = events.doubtful(connection, after, _BATCH)
            if not rows:
                return
            batch = _reread(connection, rows, merchant_ids)
            record(connection, by, ActionKind.REREAD, _change(rows, batch))
        yield batch
        after = rows[-1].id


def _reread(
    connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]], merchant_ids: Collection[str]
) -> Reread:
    changed: list[tuple[int, str]] = []
    counts: Counter[str] = Counter()
    for row in rows:
        if row.set_aside and _set_aside_now(row, merchant_ids) != row.set_aside:
            changed.append((row.id, INTAKE))
            continue
        counts[SetAside.FOREIGN] += row.set_aside == SetAside.FOREIGN
        is_readable = _is_readable(row)
        counts["unreadable"] += not is_readable
        if row.facts_version == VERSION or not (is_readable or row.set_aside == SetAside.INVALID):
            continue
        if _refresh(connection, row):
            changed.append((row.id, FULFILMENT))
    # Pending first, so that recovery sends what is not sent; one whose type was unknown has no run yet.
    runs.add(connection, changed)
    runs.reopen(connection, changed, [RunState.DONE, RunState.DEAD])
    work = plan(connection, [event_id for event_id, _ in changed])
    return Reread(len(rows), counts["unreadable"], counts[SetAside.FOREIGN], work)


def _set_aside_now(row: Row[*tuple[Any, ...]], merchant_ids: Collection[str]) -> SetAside | None:
    received_at = row.received_at.astimezone(UTC).isoformat()
    return read({"body": row.body, "received_at": received_at}, merchant_ids).set_aside


def _is_readable(row: Row[*tuple[Any, ...]]) -> bool:
    try:
        read_event(read_packet(row.body))
    except PayloadInvalid:
        return False
    return True


def _refresh(connection: Connection, row: Row[*tuple[Any, ...]]) -> bool:
    """Keep what this version reads of an event; tell whether its payment must be fulfilled again."""
    packet, facts = read_packet(row.body), events.read_anew(row)
    events.refresh(connection, row.id, packet, facts)
    is_another = row.facts != events.facts_text(facts)
    return bool(packet.payment_id) and row.set_aside != SetAside.FOREIGN and is_another


def _change(rows: Sequence[Row[*tuple[Any, ...]]], batch: Reread) -> Change:
    after = {
        "events": batch.events,
        "unreadable": batch.unreadable,
        "foreign": batch.foreign,
        "payments": len(batch.work.payment_ids),
        "taken_in": len(batch.work.unread),
    }
    return Change(subject=f"events {rows[0].id} to {rows[-1].id}", after=after)
