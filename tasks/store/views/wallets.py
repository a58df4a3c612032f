"""What a wallet holds."""

from dataclasses import dataclass

from sqlalchemy import Connection, and_, or_, select

from tasks.payments.wallet import wallet_key
from tasks.store.schema import grants, wallets
from tasks.store.views.records import records


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletItem:
    """What a wallet was granted of a payment."""

    item: str
    #: What is left of it; all, where it is revoked.
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
    """Return the wallet of this name, however it is spelled; one that was never granted anything is empty."""
    spellings = connection.execute(
        select(wallets.c.id, wallets.c.name)
        .where(or_(wallets.c.key == wallet_key(name), wallets.c.name == name))
        .order_by(wallets.c.id)
    ).all()
    query = (
        select(grants.c.item, grants.c.quantity, grants.c.status, grants.c.payment_id)
        .where(
            or_(
                grants.c.wallet_id.in_([each.id for each in spellings]),
                # The former release writes the name alone.
                and_(grants.c.wallet_id.is_(None), grants.c.wallet == name),
            )
        )
        .order_by(grants.c.granted_at, grants.c.payment_id, grants.c.item)
    )
    shown = spellings[0].name if spellings else name
    return Wallet(wallet=shown, items=records(connection, query, WalletItem))
