"""What a settled payment bought: the item and quantity that `webhookInfo` names, and for whom."""

from dataclasses import dataclass

from tasks.errors import ItemMissing, PayloadInvalid, QuantityInvalid, WalletMissing
from tasks.payloads import Settled

#: What the ledger's columns and indexes hold on every database.
_MOST = 2**63 - 1
_LONGEST = 200


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
    """Return what the payment bought. Raises a PermanentError that says why not."""
    info = settled.webhook_info
    item = info.get("item") if isinstance(info, dict) else None
    if not isinstance(item, str) or not item:
        raise ItemMissing('webhookInfo: expected {"item": "<name>"}.')
    quantity = info.get("quantity", 1)
    # bool is an int to Python, and 1.0 equals 1; neither is a number of swords.
    if type(quantity) is not int or not 1 <= quantity <= _MOST:
        raise QuantityInvalid(f"webhookInfo.quantity: expected a whole number from 1 to {_MOST}.")
    if not settled.customer_id:
        raise WalletMissing("data: expected a wallet, customerId or rawCustomerId.")
    if len(settled.customer_id) > _LONGEST or "\0" in settled.customer_id:
        raise PayloadInvalid(f"data: expected a wallet of at most {_LONGEST} characters, without NUL.")
    return Purchase(settled.customer_id, item, quantity, settled.subtotal.cents, settled.subtotal.currency)
