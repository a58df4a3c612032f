"""What a payment bought: the item and quantity that `webhookInfo` names, and for whom."""

from dataclasses import dataclass
from datetime import datetime

from tasks.coinflow.event import Event
from tasks.coinflow.fields import NAME_LENGTH, Cents, Payload
from tasks.coinflow.payloads import Paid, PurchasePayload, Refund
from tasks.errors import ItemMissing, QuantityInvalid, WalletInvalid

#: More of an item than anybody buys; larger numbers would not fit the ledger's columns.
_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Purchase:
    """One item, bought for one wallet."""

    wallet: str
    item: str
    quantity: int
    #: What was paid for it, without the buyer's fees.
    price: Cents
    #: When Coinflow says that it was paid, or None if it states no readable time.
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class Match:
    """What an operator says that a payment bought; it goes before what the events say."""

    item: str
    quantity: int = 1
    #: None leaves the wallet to the events.
    wallet: str | None = None


def names_item(event: Event[Payload]) -> bool:
    """Tell whether the event's `webhookInfo` names an item, rightly or not."""
    return _info(event).get("item") is not None


def read_purchase(paid: Event[Paid], named_by: Event[Payload] | Match, wallet: str | None) -> Purchase:
    """Return what `paid` bought: item and quantity as `named_by` says.

    `wallet` is the customer that the payment's events name, or None. Raises ItemMissing, QuantityInvalid or
    WalletInvalid.
    """
    item: object
    quantity: object
    if isinstance(named_by, Match):
        item, quantity, wallet = named_by.item, named_by.quantity, named_by.wallet or wallet
    else:
        info = _info(named_by)
        item, quantity = info["item"], info.get("quantity", 1)
    if not isinstance(item, str) or not item:
        raise ItemMissing('webhookInfo: expected {"item": "<name>"}.')
    # bool is an int to Python, and 1.0 equals 1; neither is a number of swords.
    if type(quantity) is not int or not 1 <= quantity <= _MOST:
        raise QuantityInvalid(f"webhookInfo.quantity: expected a whole number from 1 to {_MOST}.")
    if not wallet:
        raise WalletInvalid("data: expected a wallet, customerId or rawCustomerId.")
    if len(wallet) > NAME_LENGTH or "\0" in wallet:
        raise WalletInvalid(f"data: expected a customer of at most {NAME_LENGTH} characters without NUL.")
    return Purchase(wallet, item, quantity, paid.payload.price, paid.happened_at)


def _info(event: Event[Payload]) -> dict[str, object]:
    payload = event.payload
    info = payload.webhook_info if isinstance(payload, PurchasePayload | Refund) else None
    return info if isinstance(info, dict) else {}
