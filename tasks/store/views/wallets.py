"""What a wallet holds."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from tasks.store.schema import grants
from tasks.store.views.records import records


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletItem:
    """What a wallet was granted of a payment."""

    item: str
    quantity: int
    #: One of granted, suspended, revoked.
    status: str
    payment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A wallet and its items, in the order in which they were granted."""

    wallet: str
    items: tuple[WalletItem, ...]


def wallet_of(connection: Connection, name: str) -> Wallet:
    """Return the wallet of this name; one that was never granted anything is empty."""
    query = (
        select(grants.c.item, grants.c.quantity, grants.c.status, grants.c.payment_id)
        .where(grants.c.wallet == name)
        .order_by(grants.c.granted_at, grants.c.payment_id, grants.c.item)
    )
    return Wallet(wallet=name, items=records(connection, query, WalletItem))
