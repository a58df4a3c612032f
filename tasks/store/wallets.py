"""Wallets: whose they are. Grants and ledger name a wallet by its row here."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, select

from tasks.store.database import insert_missing
from tasks.store.schema import wallets

_NAMES: BindParameter[Sequence[str]] = bindparam("names", expanding=True)
_KNOWN = select(wallets.c.name, wallets.c.id).where(wallets.c.name.in_(_NAMES))


def wallet_ids(connection: Connection, names: Collection[str], now: datetime) -> dict[str, int]:
    """Return the id of each name; one that is new gets a row."""
    ids = _known(connection, names)
    # One order for everybody, as with every lock.
    if new := sorted(set(names) - ids.keys()):
        insert_missing(connection, wallets, [{"key": name, "name": name, "created_at": now} for name in new])
        ids |= _known(connection, new)
    return ids


def _known(connection: Connection, names: Collection[str]) -> dict[str, int]:
    found = connection.execute(_KNOWN, {"names": list(names)})
    return {row.name: row.id for row in found}
