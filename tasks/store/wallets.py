"""Wallets: whose they are. Grants and ledger name a wallet by its row here, one for each spelling."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from tasks.payments.wallet import wallet_key
from tasks.store.many import among, insert_missing
from tasks.store.schema import wallets

_KNOWN = (
    select(wallets.c.name, wallets.c.id, wallets.c.key)
    .where(among(wallets.c.name, "names"))
    .order_by(wallets.c.id)
    # Against whoever erases the name. It is what a grant's foreign key takes anyway, only later.
    .with_for_update(read=True, key_share=True)
)
_COMPARE = update(wallets).where(wallets.c.id == bindparam("wallet_id")).values(key=bindparam("compared_as"))


def wallet_ids(connection: Connection, names: AbstractSet[str], now: datetime) -> dict[str, int]:
    """Return the id of each name, which keeps it until the transaction ends; one that is new gets a row."""
    known: dict[str, Row[*tuple[Any, ...]]] = {}
    # Again where a name was erased after its row was found, and before it was held.
    while missing := sorted(names - known.keys()):
        # One order for everybody, as with every lock.
        rows = [{"key": wallet_key(name), "name": name, "created_at": now} for name in missing]
        new = insert_missing(connection, wallets, rows, "name", "id", "key")
        known |= {row.name: row for row in new}
        known |= _known(connection, [name for name in missing if name not in known])
    # The former release writes the name as the key.
    other = [
        {"wallet_id": row.id, "compared_as": wallet_key(name)}
        for name, row in sorted(known.items())
        if row.key != wallet_key(name)
    ]
    if other:
        connection.execute(_COMPARE, other)
    return {name: row.id for name, row in known.items()}


def _known(connection: Connection, names: Collection[str]) -> dict[str, Row[*tuple[Any, ...]]]:
    rows = connection.execute(_KNOWN, {"names": list(names)}) if names else ()
    return {row.name: row for row in rows}
