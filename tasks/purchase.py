"""What a settled payment bought: the item and quantity that `webhookInfo` names, and for whom."""

from dataclasses import dataclass

from tasks.errors import ItemMissing, QuantityInvalid, WalletMissing
from tasks.payloads import Settled


@dataclass(frozen=True, slots=True)
class Purchase:
    """One item, bought for one wallet."""

    wallet: str
    item: str
    quantity: int
    #: The subtotal: the price as the merchant set it, without the buyer's fees.
    cents: int
    #: None where Coinflow names none.
    currency: str | None


def read_purchase(settled: Settled) -> Purchase:
    """Return what the payment bought. Raises ItemMissing, QuantityInvalid or WalletMissing."""
    info = settled.webhook_info
    item = info.get("item") if isinstance(info, dict) else None
    if not isinstance(item, str) or not item:
        raise ItemMissing('webhookInfo: expected {"item": "<name>"}.')
    quantity = info.get("quantity", 1)
    # bool is an int to Python, and 1.0 equals 1; neither is a number of swords.
    if type(quantity) is not int or quantity < 1:
        raise QuantityInvalid("webhookInfo.quantity: expected a whole number of 1 or more.")
    if not settled.customer_id:
        raise WalletMissing("data: expected a wallet, customerId or rawCustomerId.")
    return Purchase(settled.customer_id, item, quantity, settled.subtotal.cents, settled.subtotal.currency)
