"""Wallets: whose they are. Grants and ledger name a wallet by its row here, one for each spelling."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, select, update

from tasks.payments.wallet import wallet_key
from tasks.store.database import insert_missing
from tasks.store.schema import wallets

_NAMES: BindParameter[Sequence[str]] = bindparam("names", expanding=True)
_KNOWN = select(wallets.c.name, wallets.c.id, wallets.c.key).where(wallets.c.name.in_(_NAMES))
_COMPARE = update(wallets).where(wallets.c.id == bindparam("wallet_id")).values(key=bindparam("compared_as"))


def wallet_ids(connection: Connection, names: Collection[str], now: datetime) -> dict[str, int]:
    """Return the id of each name; one that is new gets a row."""
    known = _known(connection, names)
    # One order for everybody, as with every lock.
    if new := sorted(set(names) - known.keys()):
        rows = [{"key": wallet_key(name), "name": name, "created_at": now} for name in new]
        insert_missing(connection, wallets, rows)
        known |= _known(connection, new)
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
    return {row.name: row for row in connection.execute(_KNOWN, {"names": list(names)})}
