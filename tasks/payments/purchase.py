"""What a payment bought: the item and quantity that `webhookInfo` names, and for whom."""

from dataclasses import dataclass
from datetime import datetime

from tasks.coinflow.fields import NAME_LENGTH
from tasks.errors import ItemMissing, QuantityInvalid, WalletInvalid
from tasks.payments.facts import MOST, Money, Statement


@dataclass(frozen=True, slots=True)
class Purchase:
    """One item, bought for one wallet."""

    wallet: str
    item: str
    quantity: int
    #: What was paid for it, without the buyer's fees.
    price: Money
    #: When Coinflow says that it was paid, or None if it states no readable time.
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class Match:
    """What an operator says that a payment bought; it goes before what the events say."""

    item: str
    quantity: int = 1
    #: None leaves the wallet to the events.
    wallet: str | None = None


def read_purchase(
    price: Money, paid_at: datetime | None, named_by: Statement | Match, wallet: str | None
) -> Purchase:
    """Return what was bought for `price` at `paid_at`: item and quantity as `named_by` says.

    `wallet` is the customer that the payment's events name, or None. Raises ItemMissing, QuantityInvalid or
    WalletInvalid.
    """
    named = named_by if isinstance(named_by, Match) else named_by.facts.named
    if isinstance(named_by, Match):
        wallet = named_by.wallet or wallet
    if named is None or not named.item:
        raise ItemMissing('webhookInfo: expected {"item": "<name>"}.')
    if named.quantity is None or not 1 <= named.quantity <= MOST:
        raise QuantityInvalid(f"webhookInfo.quantity: expected a whole number from 1 to {MOST}.")
    if not wallet:
        raise WalletInvalid("data: expected a wallet, customerId or rawCustomerId.")
    if len(wallet) > NAME_LENGTH or "\0" in wallet:
        raise WalletInvalid(f"data: expected a customer of at most {NAME_LENGTH} characters without NUL.")
    return Purchase(wallet, named.item, named.quantity, price, paid_at)
