"""All that is stored of a buyer, for a buyer who asks for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, select

from tasks.coinflow.spellings import without_merchant
from tasks.payments.wallet import wallet_key
from tasks.store.schema import events, wallets
from tasks.store.views.finding import payments_of_wallet
from tasks.store.views.payment_story import PaymentStory, payment_story
from tasks.store.views.records import records
from tasks.store.views.subscriptions import SubscriptionFilter, SubscriptionLine, list_subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletName:
    """A spelling in which the wallet was granted something."""

    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SentEvent:
    """An event that names the buyer."""

    id: int
    event_type: str
    payment_id: str | None
    received_at: datetime
    #: As Coinflow sent it; None where it was pruned.
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """A buyer: what was paid, granted and sent."""

    wallet: str
    names: tuple[WalletName, ...]
    #: Those that the buyer paid, and the gifts that the buyer got.
    payments: tuple[PaymentStory, ...]
    subscriptions: tuple[SubscriptionLine, ...]
    #: Those that name the buyer as who pays; of gifts they tell of somebody else.
    events: tuple[SentEvent, ...]


def buyer_of(connection: Connection, wallet: str, default_currency: str) -> Buyer:
    """Return all that is stored of a buyer; nothing but empty lists where there is none of this name."""
    name = without_merchant(wallet)
    names = select(wallets.c.name, wallets.c.created_at).where(wallets.c.key == wallet_key(name))
    sent = select(
        events.c.id, events.c.event_type, events.c.payment_id, events.c.received_at, events.c.body
    ).where(events.c.buyer == wallet_key(name))
    stories = (
        payment_story(connection, each, default_currency)
        for each in connection.scalars(payments_of_wallet(name)).all()
    )
    subscribed = SubscriptionFilter(wallet=name, limit=None)
    return Buyer(
        wallet=wallet,
        names=records(connection, names.order_by(wallets.c.id), WalletName),
        payments=tuple(each for each in stories if each),
        subscriptions=list_subscriptions(connection, subscribed),
        events=tuple(
            SentEvent(**row._asdict() | {"body": from_json(row.body) if row.body else None})
            for row in connection.execute(sent.order_by(events.c.id))
        ),
    )
