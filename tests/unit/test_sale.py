"""What is left of a sale when a part of the money has gone back."""

import pytest

from tasks.payments.quote import QuotedLine
from tasks.payments.sale import Sale


def line(item: str, quantity: int, cents: int, *, proportional: bool = True) -> QuotedLine:
    return QuotedLine(item=item, quantity=quantity, cents=cents, proportional=proportional, grants={item: 1})


def sale(*lines: QuotedLine) -> Sale:
    return Sale(sum(each.cents for each in lines), "USD", lines)


CART = sale(line("sword", 1, 500), line("shield", 2, 1500), line("potion", 3, 300, proportional=False))


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        (0, (1, 2, 3)),
        (500, (0, 2, 3)),
        (1500, (1, 0, 3)),
        (2000, (0, 0, 3)),
        (300, (1, 2, 3)),
        (800, (1, 2, 3)),
        (499, (1, 2, 3)),
        (2299, (1, 2, 3)),
        (2300, (0, 0, 0)),
        (9999, (0, 0, 0)),
    ],
)
def test_of_a_cart_go_whole_lines_whose_price_went_back(gone: int, left: tuple[int, ...]) -> None:
    assert CART.left(gone) == left


def test_which_of_two_equal_lines_went_back_nobody_can_say() -> None:
    twins = sale(line("sword", 1, 500), line("axe", 1, 500), line("bow", 1, 700))
    assert twins.left(500) == (1, 1, 1)
    assert twins.left(1000) == (0, 0, 1)
    assert not twins.is_share(500)
    assert twins.is_share(700)


def test_a_lost_part_counts_where_it_is_whole_units_or_lines() -> None:
    assert [CART.is_share(lost) for lost in (500, 300, 2299, 2300, 0)] == [True, False, False, False, False]
    kept = sale(line("sword", 2, 1000, proportional=False), line("axe", 1, 500, proportional=False))
    assert kept.is_share(77)
    one, three = sale(line("sword", 1, 500)), sale(line("sword", 3, 1500))
    assert [one.is_share(250), three.is_share(500), three.is_share(600)] == [False, True, False]


def test_a_cart_with_more_sums_than_anybody_can_tell_apart_keeps_its_lines() -> None:
    many = sale(*(line(str(number), 1, 2**number) for number in range(40)))
    assert many.left(2**39 + 1) == many.all


def test_lines_and_bundles_of_an_item_add_up() -> None:
    bundle = QuotedLine(
        item="starter", quantity=2, cents=1800, proportional=True, grants={"sword": 1, "shield": 2}
    )
    both = sale(line("sword", 1, 500), bundle)
    assert both.granted(both.all) == {"sword": 3, "shield": 4}
    assert both.granted(both.left(500)) == {"sword": 2, "shield": 4}
    assert both.granted(both.left(1800)) == {"sword": 1, "shield": 0}


def test_what_was_paid_too_much_goes_back_first() -> None:
    potions = Sale(3000, "USD", (line("potion", 30, 3000),), over=100)
    assert [potions.left(gone) for gone in (100, 199, 200, 2999, 3000)] == [(30,), (30,), (29,), (2,), (0,)]
