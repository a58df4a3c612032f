"""The ledger: moves what a wallet holds to what a decision says, and keeps each move.

The primary key of `grants` is the promise that a payment grants an item once.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from tasks.log import Log
from tasks.payments.grants import Entry, Grant
from tasks.payments.states import GrantStatus
from tasks.store.many import among, insert_rows
from tasks.store.schema import grants, ledger_entries, wallets
from tasks.store.wallets import wallet_ids

_log = Log(__name__)

#: Some routers of logs cut a line at 10 kB.
_MOVES_IN_A_LINE = 50

# Not a join: before its tables are analyzed, PostgreSQL would read all wallets for it.
_NAME = select(wallets.c.name).where(wallets.c.id == grants.c.wallet_id).scalar_subquery()
_HELD = select(
    grants.c.payment_id,
    grants.c.item,
    func.coalesce(_NAME, grants.c.wallet).label("wallet"),
    grants.c.quantity,
    grants.c.status,
).where(among(grants.c.payment_id, "payment_ids"))
_REPLACE = "ON CONFLICT (payment_id, item) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ("wallet", "wallet_id", "quantity", "status")
)


class Move(NamedTuple):
    """An entry, the number of the event that caused it, and the change that it is a part of."""

    entry: Entry
    event_id: int
    version: int

    @property
    def told(self) -> dict[str, object]:
        """What the log says of it."""
        grant = self.entry.grant
        return {
            "payment_id": grant.payment_id,
            "event_id": self.event_id,
            "item": grant.item,
            "status": grant.status.value,
            "delta": self.entry.delta,
            "version": self.version,
        }


def held_grants(connection: Connection, payment_ids: Collection[str]) -> dict[str, dict[str, Grant]]:
    """Return what is held of each payment, by item."""
    held: dict[str, dict[str, Grant]] = {}
    if not payment_ids:
        return held
    for row in connection.execute(_HELD, {"payment_ids": list(payment_ids)}):
        grant = Grant(row.payment_id, row.item, row.wallet, row.quantity, GrantStatus(row.status))
        held.setdefault(row.payment_id, {})[row.item] = grant
    return held


def append(
    connection: Connection, moves: Collection[Move], now: datetime, *, action_id: int | None = None
) -> None:
    """Write the moves; `action_id` is an operator's part in them."""
    if not moves:
        return
    ids = wallet_ids(connection, {move.entry.grant.wallet for move in moves}, now)
    held = {}
    entries = []
    for move in moves:
        grant = move.entry.grant
        # What is named here and there: the wallet's name stands in `wallets` alone, where it can be erased.
        common = {
            "payment_id": grant.payment_id,
            "item": grant.item,
            "wallet_id": ids[grant.wallet],
            "status": grant.status,
        }
        # Of an item that leaves one wallet and goes to another, the last move is what is held.
        held[grant.payment_id, grant.item] = {
            **common,
            "wallet": grant.wallet,
            "quantity": grant.quantity,
            "granted_at": now,
        }
        entries.append(
            {
                **common,
                "wallet": "",
                "units": grant.quantity,
                "delta": move.entry.delta,
                "quantity": move.entry.delta,
                "version": move.version,
                "event_id": move.event_id,
                "action_id": action_id,
                "created_at": now,
            }
        )
    insert_rows(connection, grants, list(held.values()), _REPLACE)
    insert_rows(connection, ledger_entries, entries)


def log(moves: Sequence[Move]) -> None:
    """Say what has moved, once it is committed."""
    # A line for each would take as long as to write it down in the ledger.
    for at in range(0, len(moves), _MOVES_IN_A_LINE):
        _log.info("ledger.moved", moves=[move.told for move in moves[at : at + _MOVES_IN_A_LINE]])
