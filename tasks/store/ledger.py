"""The ledger: moves what a wallet holds to what a decision says, and keeps each move.

The primary key of `grants` is the promise that a payment grants an item once.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Executable, bindparam, select

from tasks.store.database import insert
from tasks.store.schema import GrantStatus, grants, ledger_entries

_HELD = select(grants).where(grants.c.payment_id.in_(bindparam("payment_ids", expanding=True)))
_APPEND = ledger_entries.insert()


@cache
def _upsert(dialect: str) -> Executable:
    upsert = insert(dialect, grants)
    return upsert.on_conflict_do_update(
        index_elements=[grants.c.payment_id, grants.c.item],
        set_={name: upsert.excluded[name] for name in ("wallet", "quantity", "status")},
    )


@dataclass(frozen=True, slots=True)
class Grant:
    """What a wallet holds of one payment."""

    payment_id: str
    item: str
    wallet: str
    quantity: int
    status: GrantStatus

    @property
    def usable(self) -> int:
        """How many the wallet's owner may use."""
        return self.quantity if self.status is GrantStatus.GRANTED else 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One move of a grant: what it became, and what the move added to the wallet."""

    grant: Grant
    added: int


def entries_between(held: Mapping[str, Grant], due: Mapping[str, Grant]) -> list[Entry]:
    """Return the moves from what is held of a payment to what is due, both by item; none if they agree."""
    moves = []
    for item in sorted(held.keys() | due.keys()):
        before, after = held.get(item), due.get(item)
        if before and (after is None or after.wallet != before.wallet):
            revoked = replace(before, status=GrantStatus.REVOKED)
            if before != revoked:
                moves.append(Entry(revoked, -before.usable))
            before = None
        if after and after != before:
            moves.append(Entry(after, after.usable - (before.usable if before else 0)))
    return moves


def held_grants(connection: Connection, payment_ids: Collection[str]) -> dict[str, dict[str, Grant]]:
    """Return what is held of each payment, by item."""
    held: dict[str, dict[str, Grant]] = {}
    for row in connection.execute(_HELD, {"payment_ids": list(payment_ids)}):
        grant = Grant(row.payment_id, row.item, row.wallet, row.quantity, GrantStatus(row.status))
        held.setdefault(row.payment_id, {})[row.item] = grant
    return held


def append(connection: Connection, moves: Collection[tuple[Entry, int]], now: datetime) -> None:
    """Write the moves, each with the id of the event that caused it."""
    if not moves:
        return
    upsert = _upsert(connection.dialect.name)
    connection.execute(upsert, [{**asdict(entry.grant), "granted_at": now} for entry, _ in moves])
    connection.execute(
        _APPEND,
        [
            {**asdict(entry.grant), "quantity": entry.added, "event_id": event_id, "created_at": now}
            for entry, event_id in moves
        ],
    )
