"""The merchant's module: asks the order service what an order is for. `HANDLERS` names it."""

import logging
import os
from typing import Any

import httpx2

from tasks.merchant import Order, OrderLine, TransientError, orders

ADDRESS = os.environ.get("ORDER_SERVICE", "http://127.0.0.1:8090")

# It would log every address, and so every order's id.
logging.getLogger("httpx2").setLevel(logging.WARNING)


@orders
def find(webhook_info: dict[str, Any], payment_id: str) -> Order | None:  # noqa: ARG001  # the order's id is enough
    """Return the order that `webhookInfo` names, or None where nobody knows it."""
    order_id = webhook_info.get("orderId")
    if not isinstance(order_id, str):
        return None
    try:
        answer = httpx2.get(f"{ADDRESS}/orders", params={"id": order_id}, timeout=5)
    except httpx2.TransportError as error:
        # httpx2's own errors are no ConnectionError or TimeoutError of Python's.
        raise TransientError(f"The order service is away: {type(error).__name__}.") from error
    if answer.status_code == httpx2.codes.NOT_FOUND:
        return None
    if not answer.is_success:
        raise TransientError(f"The order service answers {answer.status_code}.")
    order = answer.json()
    return Order(tuple(OrderLine(**line) for line in order["lines"]), order["cents"], order["currency"])
