"""Purchases of a sword, and the wallets that they reach."""

from typing import Any

from tests.stack import Stack
from tests.waiting import wait_until


def buy(stack: Stack, wallet: str, *options: str, status: str = "200") -> str:
    """Deliver a settled purchase, which must be answered so; return its payment."""
    arguments = ("Settled", "--item", "sword", "--wallet", wallet, *options)
    sent = stack.trigger(*arguments, exit_code=0 if status == "200" else 1)
    assert sent["answers"] == {status: 1}
    payment_id: str = sent["payment_id"]
    return payment_id


def granted(stack: Stack, wallet: str, count: int = 1) -> list[dict[str, Any]]:
    """Return what a wallet holds, once it holds so many grants."""

    def items() -> list[dict[str, Any]]:
        held = stack.wallet(wallet)
        return held if len(held) >= count else []

    return wait_until(items, what=f"{wallet} holds {count} grants", log=lambda: stack.log("worker"))
