"""Purchases as Coinflow sends them, each a payment of its own, for what the price list sells at its price."""

import json
import uuid
from typing import Any

from tasks.coinflow.samples import sample, with_identity

#: Items of `catalog.toml` and what one costs, in cents.
_PRICES = {"sword": 500, "shield": 750, "potion": 125}
_PAYMENT, _WALLET = "\1\2\1", "\1\3\1"


def purchase(payment_id: str, wallet: str, item: str = "sword", quantity: int = 1) -> dict[str, Any]:
    """Return the packet of a settled payment; about 1 kB."""
    packet = sample("Settled")
    with_identity(
        packet,
        payment_id=payment_id,
        wallet=wallet,
        item=item,
        quantity=quantity,
        cents=_PRICES[item] * quantity,
    )
    return packet


def templates() -> str:
    """Return lines for `load.lua`; the bytes 1, 2, 1 stand for the payment, 1, 3, 1 for the wallet."""
    # JSON would write those bytes as escapes, so others stand in for them.
    payment, wallet = (str(uuid.uuid4()) for _ in range(2))
    packets = (purchase(payment, wallet, item, quantity) for item in _PRICES for quantity in (1, 2, 3))
    lines = "\n".join(json.dumps(packet, separators=(",", ":")) for packet in packets)
    return lines.replace(payment, _PAYMENT).replace(wallet, _WALLET) + "\n"
