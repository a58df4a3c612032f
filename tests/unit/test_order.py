"""What a merchant's function may say of an order."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from tasks.errors import OrderInvalid
from tasks.payments.named import MOST
from tasks.payments.order import Order, OrderLine

SWORD = OrderLine("sword")


def order(**changes: Any) -> Order:
    fields: dict[str, Any] = {"lines": (SWORD,), "cents": 500, "currency": "USD", **changes}
    return Order(**fields)


def test_an_order_is_a_value_that_stays() -> None:
    assert order() == Order((OrderLine("sword", 1),), 500, "USD")
    assert hash(order()) == hash(order())
    with pytest.raises(FrozenInstanceError):
        order().cents = 1  # type: ignore[misc]  # that it cannot is what is tested


def test_a_list_of_lines_is_taken_as_it_comes_from_json() -> None:
    assert order(lines=[{"item": "sword", "quantity": 1}]) == order()


def test_the_ends_of_what_is_taken() -> None:
    lines = tuple(OrderLine("s" * 200, MOST) for _ in range(100))
    assert order(lines=lines, cents=10**15).lines == lines
    assert order(cents=0).cents == 0


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: OrderLine(""), "OrderLine.item"),
        (lambda: OrderLine("s" * 201), "OrderLine.item"),
        (lambda: OrderLine("sw\0rd"), "OrderLine.item"),
        (lambda: OrderLine("sw\ud800rd"), "OrderLine.item"),
        (lambda: OrderLine(7), "OrderLine.item"),  # type: ignore[arg-type]  # as code without types does
        (lambda: OrderLine("sword", 0), "OrderLine.quantity"),
        (lambda: OrderLine("sword", MOST + 1), "OrderLine.quantity"),
        (lambda: OrderLine("sword", quantity=True), "OrderLine.quantity"),
        (lambda: OrderLine("sword", 1.5), "OrderLine.quantity"),  # type: ignore[arg-type]  # the same
        (lambda: order(lines=()), "Order.lines"),
        (lambda: order(lines=(SWORD,) * 101), "Order.lines"),
        (lambda: order(lines=[{"item": "sword", "quantity": 0}]), "OrderLine.quantity"),
        (lambda: order(cents=-1), "Order.cents"),
        (lambda: order(cents=10**15 + 1), "Order.cents"),
        (lambda: order(cents="500"), "Order.cents"),
        (lambda: order(cents=None), "Order.cents"),
        (lambda: order(currency="usd"), "Order.currency"),
        (lambda: order(currency="USDC"), "Order.currency"),
        (lambda: order(currency=None), "Order.currency"),
    ],
)
def test_what_is_no_order_names_the_field_and_repeats_nothing(make: Callable[[], object], named: str) -> None:
    with pytest.raises(OrderInvalid, match=f"^{named}: ") as refused:
        make()
    for given in ("sw", "ssss", "usd", "500"):
        assert given not in str(refused.value)
