"""What a payment bought, and for whom."""

from collections.abc import Mapping
from typing import NamedTuple

from tasks.coinflow.fields import NAME_LENGTH
from tasks.errors import WalletInvalid


class Purchase(NamedTuple):
    """Items that were bought for one wallet."""

    wallet: str
    #: How many of each, by item.
    items: Mapping[str, int]


def checked_wallet(wallet: str | None) -> str:
    """Return a wallet that can be kept. Raises WalletInvalid."""
    if not wallet:
        raise WalletInvalid("data: expected a wallet, customerId or rawCustomerId.")
    if len(wallet) > NAME_LENGTH or "\0" in wallet:
        raise WalletInvalid(f"data: expected a customer of at most {NAME_LENGTH} characters without NUL.")
    return wallet
