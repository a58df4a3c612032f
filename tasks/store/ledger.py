"""The ledger: moves what a wallet holds to what a decision says, and keeps each move.

The primary key of `grants` is the promise that a payment grants an item once.
"""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Executable, bindparam, func, select

from tasks.payments.grants import Entry, Grant, GrantStatus
from tasks.store.database import insert
from tasks.store.schema import grants, ledger_entries, wallets
from tasks.store.wallets import wallet_ids

_HELD = (
    select(
        grants.c.payment_id,
        grants.c.item,
        func.coalesce(wallets.c.name, grants.c.wallet).label("wallet"),
        grants.c.quantity,
        grants.c.status,
    )
    .outerjoin_from(grants, wallets, wallets.c.id == grants.c.wallet_id)
    .where(grants.c.payment_id.in_(bindparam("payment_ids", expanding=True)))
)
_APPEND = ledger_entries.insert()


@cache
def _upsert(dialect: str) -> Executable:
    upsert = insert(dialect, grants)
    return upsert.on_conflict_do_update(
        index_elements=[grants.c.payment_id, grants.c.item],
        set_={name: upsert.excluded[name] for name in ("wallet", "wallet_id", "quantity", "status")},
    )


def held_grants(connection: Connection, payment_ids: Collection[str]) -> dict[str, dict[str, Grant]]:
    """Return what is held of each payment, by item."""
    held: dict[str, dict[str, Grant]] = {}
    for row in connection.execute(_HELD, {"payment_ids": list(payment_ids)}):
        grant = Grant(row.payment_id, row.item, row.wallet, row.quantity, GrantStatus(row.status))
        held.setdefault(row.payment_id, {})[row.item] = grant
    return held


def append(
    connection: Connection,
    moves: Collection[tuple[Entry, int]],
    now: datetime,
    *,
    action_id: int | None = None,
) -> None:
    """Write the moves, each with the id of the event that caused it; `action_id` is an operator's part."""
    if not moves:
        return
    ids = wallet_ids(connection, {entry.grant.wallet for entry, _ in moves}, now)
    written = [
        ({**asdict(entry.grant), "wallet_id": ids[entry.grant.wallet]}, entry.delta, event_id)
        for entry, event_id in moves
    ]
    connection.execute(
        _upsert(connection.dialect.name), [{**grant, "granted_at": now} for grant, _, _ in written]
    )
    connection.execute(
        _APPEND,
        [
            {
                **grant,
                # The name stands in `wallets` alone, where it can be erased.
                "wallet": "",
                "delta": delta,
                "quantity": delta,
                "event_id": event_id,
                "action_id": action_id,
                "created_at": now,
            }
            for grant, delta, event_id in written
        ],
    )
