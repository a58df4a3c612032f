"""What `webhookInfo` names, as far as it can be read."""

from typing import Any

import pytest

from tasks.payments.named import Line, Named, read_cycle, read_named, read_values


def test_an_item_a_cart_or_a_plan() -> None:
    assert read_named({"item": "sword"}) == Named(item="sword", quantity=1)
    assert read_named({"item": 7, "quantity": "2"}) == Named(item="7", quantity=2)
    cart = {
        "items": [{"item": "sword"}, {"item": "potion", "quantity": 3}],
        "coupon": " A ",
        "recipient": "bob",
    }
    lines = (Line(item="sword", quantity=1), Line(item="potion", quantity=3))
    assert read_named(cart) == Named(cart=lines, coupon="A", recipient="bob")
    assert read_named({"plan": "gold"}) == Named(plan="gold")
    assert Named(plan="gold").lines == ()


@pytest.mark.parametrize(
    "info",
    [None, {}, [], "sword", {"item": None}, {"item": " "}, {"items": []}, {"plan": ""}, {"coupon": "A"}],
)
def test_nothing(info: Any) -> None:
    assert read_named(info) is None


@pytest.mark.parametrize(
    "info",
    [
        {"item": "sword", "items": [{"item": "sword"}]},
        {"items": {"item": "sword"}},
        {"items": [{"item": "sword"}] * 101},
        {"items": "sword"},
    ],
)
def test_what_is_no_cart_says_why(info: Any) -> None:
    named = read_named(info)
    assert named
    assert named.fault
    assert read_named({"items": [{"item": "sword"}] * 100})


@pytest.mark.parametrize("line", [7, None, [], {"item": []}, {"quantity": 2}])
def test_a_line_that_names_nothing_stays_a_line(line: Any) -> None:
    named = read_named({"items": [line]})
    assert named
    assert [each.item for each in named.lines] == [None]


def test_what_a_price_depends_on_names_no_recipient() -> None:
    one, other = (Named(item="sword", quantity=1, recipient=each) for each in ("bob", None))
    assert one.asked == other.asked
    assert one.asked != Named(item="sword", quantity=2).asked


def test_the_subscription_says_its_plan_and_its_own_item() -> None:
    cycle = read_cycle({"plan": {"code": "gold"}, "webhookInfo": '{"item": "gem"}'})
    assert cycle
    assert (cycle.plan, cycle.named) == ("gold", Named(item="gem", quantity=1))
    assert read_cycle(None) is None
    odd = read_cycle({"plan": "gold"})
    assert odd
    assert (odd.plan, odd.named) == (None, None)


def test_single_values_are_text() -> None:
    info = {"env": "production", "shop": 7, "test": True, "list": [1], "none": None, "long": "x" * 201}
    assert read_values(info) == {"env": "production", "shop": "7", "test": "true"}
    assert len(read_values({str(number): number for number in range(99)})) == 30
