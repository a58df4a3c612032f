"""What a price list says of a purchase: examples of each form. `test_any_price` has the rest."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CouponInvalid, ItemMissing, ItemUnknown, Overpaid, PriceMismatch, QuantityInvalid
from tasks.payments.item import Item
from tasks.payments.price import FormerPrice, Price
from tasks.payments.price_list import read_price_list
from tasks.payments.price_list_form import PriceList
from tasks.payments.quote import Asked, Lines, Quote, QuotedLine, checkout_price, quote

NOW = datetime(2026, 11, 5, tzinfo=UTC)
SHOP = read_price_list("""
[items.sword]
price = [{ cents = 500 }, { cents = 460, currency = "EUR" }]
refund = "proportional"
former_prices = [{ cents = 450, ended = 2026-11-01T00:00:00Z, grace_days = 7 }]
[items.potion]
price = { cents = 125 }
former_prices = [{ cents = 120, ended = 2026-11-01T00:00:00Z, grace_days = 7 }]
[items.credits]
price = { cents = 5, per = 100 }
[items.starter]
price = { cents = 900 }
grants = { sword = 1, potion = 2 }
[items.gem]
price = "any"
[items.gold]
price = { cents = 999 }
[items.freebie]
price = { cents = 0 }
limit = 1
[coupons.WELCOME20]
percent = 20
until = 2026-12-31T00:00:00Z
items = ["sword", "credits"]
[coupons.TENTH]
percent = 10
[plans.gold]
item = "gold"
price_range = { from = 1, to = 999 }
[plans.pair]
item = "gold"
quantity = 2
""")


def asked(  # noqa: PLR0913  # a purchase has that many parts
    cents: int,
    *lines: tuple[str, int],
    coupon: str | None = None,
    plan: str | None = None,
    is_subscribed: bool = False,
    currency: str = "USD",
    at: datetime = NOW,
) -> Asked:
    return Asked(lines, coupon, plan, is_subscribed, cents, currency, at)


def cents_of(asked: Asked, prices: PriceList = SHOP) -> list[int]:
    quoted = quote(prices, asked)
    assert quoted.over == 0
    assert sum(line.cents for line in quoted.lines) == asked.cents
    return [line.cents for line in quoted.lines]


@given(quantity=st.integers(1, 10**6), cents=st.integers(0, 10**9))
def test_only_price_times_quantity_is_accepted(quantity: int, cents: int) -> None:
    if cents == 500 * quantity:
        assert cents_of(asked(cents, ("sword", quantity), at=NOW + timedelta(days=30))) == [cents]
    else:
        with pytest.raises(PriceMismatch):
            quote(SHOP, asked(cents, ("sword", quantity), at=NOW + timedelta(days=30)))


def test_a_quote_says_all_that_a_grant_needs() -> None:
    assert quote(SHOP, asked(1_400, ("sword", 1), ("starter", 1))) == Quote(
        lines=(
            QuotedLine(item="sword", quantity=1, cents=500, proportional=True, grants={"sword": 1}),
            QuotedLine(
                item="starter", quantity=1, cents=900, proportional=False, grants={"sword": 1, "potion": 2}
            ),
        )
    )


def test_each_currency_has_its_price() -> None:
    assert cents_of(asked(920, ("sword", 2), currency="EUR")) == [920]
    message = (
        r"^1 x sword costs 500 cents USD or 460 cents EUR or 450 cents USD; subtotal was 500 cents GBP\.$"
    )
    with pytest.raises(PriceMismatch, match=message):
        quote(SHOP, asked(500, ("sword", 1), currency="GBP"))
    with pytest.raises(PriceMismatch, match=r"^1 x potion costs 125 cents USD or 120 .*was 585 cents EUR\.$"):
        quote(SHOP, asked(585, ("sword", 1), ("potion", 1), currency="EUR"))


@pytest.mark.parametrize(("quantity", "cents"), [(1, 1), (20, 1), (21, 2), (100, 5), (101, 6), (250, 13)])
def test_credits_are_rounded_up_to_a_cent(quantity: int, cents: int) -> None:
    assert cents_of(asked(cents, ("credits", quantity))) == [cents]
    with pytest.raises(PriceMismatch, match=rf"{quantity} x credits costs {cents} cents USD"):
        quote(SHOP, asked(cents - 1, ("credits", quantity)))


def test_a_cart_is_the_sum_of_its_lines() -> None:
    assert cents_of(asked(875, ("sword", 1), ("potion", 3))) == [500, 375]
    message = r"^sword x 1, potion x 3 cost 875 cents USD; subtotal was 874 cents USD\.$"
    with pytest.raises(PriceMismatch, match=message):
        quote(SHOP, asked(874, ("sword", 1), ("potion", 3)))


def test_a_long_cart_is_told_in_short() -> None:
    with pytest.raises(PriceMismatch, match=r"potion x 1, \.\.\. cost 1375 cents USD"):
        quote(SHOP, asked(1, *[("potion", 1)] * 11))


def test_some_lines_of_a_cart_may_have_their_former_price() -> None:
    assert cents_of(asked(825, ("sword", 1), ("potion", 3))) == [450, 375]
    assert cents_of(asked(860, ("sword", 1), ("potion", 3))) == [500, 360]
    assert cents_of(asked(810, ("sword", 1), ("potion", 3))) == [450, 360]
    # Either sword may have been the cheaper one: the first keeps the current price.
    assert cents_of(asked(950, ("sword", 1), ("sword", 1))) == [500, 450]
    with pytest.raises(PriceMismatch):
        quote(SHOP, asked(825, ("sword", 1), ("potion", 3), at=NOW + timedelta(days=4)))


def test_a_cart_of_very_many_former_prices_counts_at_the_current_ones_alone() -> None:
    names = [f"item{number}" for number in range(30)]
    prices = PriceList(
        items={
            name: Item(
                price=Price(cents=10**12),
                former_prices=(FormerPrice(cents=2**number, ended=NOW, grace_days=1),),
            )
            for number, name in enumerate(names)
        }
    )
    lines = [(name, 1) for name in names]
    assert cents_of(asked(30 * 10**12, *lines), prices) == [10**12] * 30
    with pytest.raises(PriceMismatch):
        quote(prices, asked(15 * 10**12 + 2**15 - 1, *lines))
    # What only the smallest prices add up to is found without looking at many sums.
    assert cents_of(asked(2**30 - 1, *lines), prices) == [2**number for number in range(30)]


def test_a_coupon_takes_percent_off_the_lines_that_it_is_for() -> None:
    assert cents_of(asked(400, ("sword", 1), coupon="WELCOME20")) == [400]
    assert cents_of(asked(525, ("potion", 1), ("sword", 1), coupon="WELCOME20")) == [125, 400]
    assert cents_of(asked(360, ("sword", 1), coupon="WELCOME20")) == [360], "a former price"
    assert cents_of(asked(112, ("potion", 1), coupon="TENTH")) == [112], "rounded down"
    assert cents_of(asked(1, ("credits", 1), coupon="WELCOME20")) == [1], "but not to nothing"
    with pytest.raises(
        PriceMismatch, match="1 x sword costs 400 cents USD or 368 cents EUR or 360 cents USD;"
    ):
        quote(SHOP, asked(500, ("sword", 1), coupon="WELCOME20"))


@pytest.mark.parametrize(
    ("coupon", "item", "at", "complaint"),
    [
        ("WELCOME30", "sword", NOW, r"^The price list has no coupon 'WELCOME30'\.$"),
        ("welcome20", "sword", NOW, "has no coupon"),
        ("", "sword", NOW, "has no coupon ''"),
        ("WELCOME20", "potion", NOW, r"^The coupon 'WELCOME20' is for other items than potion\.$"),
        (
            "WELCOME20",
            "sword",
            datetime(2026, 12, 31, 0, 0, 0, 1, tzinfo=UTC),
            r"^The coupon 'WELCOME20' was good until 2026-12-31 00:00:00 UTC\.$",
        ),
    ],
)
def test_a_coupon_that_does_not_count_is_refused(
    coupon: str, item: str, at: datetime, complaint: str
) -> None:
    for cents in (400, 500, 125):
        with pytest.raises(CouponInvalid, match=complaint):
            quote(SHOP, asked(cents, (item, 1), coupon=coupon, at=at))


def test_a_coupon_counts_to_its_last_moment_in_any_zone() -> None:
    last = datetime(2026, 12, 31, 2, tzinfo=timezone(timedelta(hours=2)))
    assert cents_of(asked(400, ("sword", 1), coupon="WELCOME20", at=last)) == [400]


def test_a_prorated_charge_is_good_beside_its_plan_alone() -> None:
    def charge(cents: int, *lines: tuple[str, int], **more: object) -> Asked:
        beside = {"plan": "gold", "is_subscribed": True, "currency": "USD", **more}
        return asked(cents, *(lines or (("gold", 1),)), **beside)  # type: ignore[arg-type]  # mixed

    assert [cents_of(charge(cents)) for cents in (1, 612, 999)] == [[1], [612], [999]]
    for wrong in (
        charge(0),
        charge(612, plan=None),
        charge(612, plan="silver"),
        charge(612, plan="pair"),
        charge(612, is_subscribed=False),
        charge(612, currency="EUR"),
        charge(612, ("gold", 1_000)),
        charge(612, ("sword", 2)),
        charge(612, ("gold", 1), ("gold", 1)),
    ):
        with pytest.raises(PriceMismatch):
            quote(SHOP, wrong)


def test_what_any_amount_buys_takes_what_the_others_leave() -> None:
    assert cents_of(asked(0, ("gem", 7))) == [0]
    assert cents_of(asked(7, ("gem", 1), currency="XAF")) == [7]
    assert cents_of(asked(600, ("gem", 1), ("sword", 1), ("gem", 2))) == [100, 500, 0]
    assert cents_of(asked(499, ("gem", 1), ("sword", 1))) == [49, 450]
    message = r"^gem x 1, sword x 1 cost at least 500 cents USD; subtotal was 449 cents USD\.$"
    with pytest.raises(PriceMismatch, match=message):
        quote(SHOP, asked(449, ("gem", 1), ("sword", 1)))
    with pytest.raises(PriceMismatch, match="sword costs 500 cents USD or 460 cents EUR"):
        quote(SHOP, asked(10_000, ("gem", 1), ("sword", 1), currency="JPY"))


@pytest.mark.parametrize(
    ("percent", "most"),
    [("", 1_100), ("percent = 0", 1_000), ("percent = 3", 1_030), ("percent = 100", 2_000)],
)
def test_a_little_too_much_is_told_apart(percent: str, most: int) -> None:
    prices = read_price_list(f"overpayment = {{ {percent} }}\n[items.axe]\nprice.cents = 500\n")
    for cents in {1_001, most, most + 1} - {1_000}:
        with pytest.raises(PriceMismatch, match=rf"2 x axe costs 1000 cents USD; subtotal was {cents} ") as e:
            quote(prices, asked(cents, ("axe", 2)))
        assert isinstance(e.value, Overpaid) == (cents <= most)
        if isinstance(e.value, Overpaid):
            assert e.value.quote.over == cents - 1_000
            assert [line.cents for line in e.value.quote.lines] == [1_000]


def test_what_is_no_purchase_is_refused() -> None:
    with pytest.raises(ItemUnknown, match="excalibur"):
        quote(SHOP, asked(500, ("sword", 1), ("excalibur", 1), ("grail", 1), coupon="?"))
    with pytest.raises(QuantityInvalid, match="potion"):
        quote(SHOP, asked(375, ("sword", 1), ("potion", -1)))
    with pytest.raises(ItemMissing):
        quote(SHOP, asked(0))
    for lines in ([("freebie", 1)], [("gem", 1)]):
        with pytest.raises(PriceMismatch):
            quote(SHOP, asked(-1, *lines))


@given(
    ended=st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001  # hypothesis adds the zone
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
    ),
    grace_days=st.integers(0, 400),
    quantity=st.integers(1, 100),
    lateness=st.timedeltas(timedelta(days=-500), timedelta(days=500))
    | st.sampled_from([timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1)]),
)
def test_a_former_price_is_good_until_the_last_moment_of_its_grace(
    ended: datetime, grace_days: int, quantity: int, lateness: timedelta
) -> None:
    prices = raised(FormerPrice(cents=450, ended=ended, grace_days=grace_days))
    at = (ended + timedelta(days=grace_days) + lateness).astimezone(UTC)
    assert cents_of(asked(500 * quantity, ("sword", quantity), at=at), prices)
    if lateness <= timedelta(0):
        assert cents_of(asked(450 * quantity, ("sword", quantity), at=at), prices)
    else:
        with pytest.raises(PriceMismatch):
            quote(prices, asked(450 * quantity, ("sword", quantity), at=at))


def raised(former: FormerPrice) -> PriceList:
    return PriceList(items={"sword": Item(price=Price(cents=500), former_prices=(former,))})


@pytest.mark.parametrize(
    ("at", "cents", "currency", "message"),
    [
        (5, 1, "USD", "2 x sword costs 1000 cents USD or 900 cents EUR; subtotal was 1 cents USD."),
        (5, 900, "USD", "2 x sword costs 1000 cents USD or 900 cents EUR; subtotal was 900 cents USD."),
        (
            9,
            900,
            "EUR",
            (
                "2 x sword costs 1000 cents USD; subtotal was 900 cents EUR, "
                "a former price that was accepted until 2026-11-08 00:00:00 UTC."
            ),
        ),
    ],
)
def test_a_mismatch_says_what_was_expected(at: int, cents: int, currency: str, message: str) -> None:
    ended = datetime(2026, 11, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    prices = raised(FormerPrice(cents=450, currency="EUR", ended=ended, grace_days=7))
    when = datetime(2026, 11, at, tzinfo=UTC)
    with pytest.raises(PriceMismatch) as error:
        quote(prices, asked(cents, ("sword", 2), currency=currency, at=when))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("lines", "coupon", "currency", "cents"),
    [
        ([("sword", 3)], None, "USD", 1_500),
        ([("sword", 3)], "WELCOME20", "EUR", 1_104),
        ([("sword", 1), ("credits", 250)], "WELCOME20", "USD", 410),
        ([("freebie", 1)], None, "USD", 0),
    ],
)
def test_a_checkout_must_charge_the_current_prices(
    lines: Lines, coupon: str | None, currency: str, cents: int
) -> None:
    assert checkout_price(SHOP, lines, coupon, currency, NOW) == cents
    quote(SHOP, asked(cents, *lines, coupon=coupon, currency=currency))


def test_a_checkout_is_told_what_has_no_price() -> None:
    with pytest.raises(PriceMismatch, match=r"^Any amount buys gem: the list says no price\.$"):
        checkout_price(SHOP, [("sword", 1), ("gem", 1)], None, "USD", NOW)
    with pytest.raises(PriceMismatch, match=r"^1 x potion costs 125 .*USD, nothing in EUR\.$"):
        checkout_price(SHOP, [("sword", 1), ("potion", 1)], None, "EUR", NOW)
    with pytest.raises(CouponInvalid):
        checkout_price(SHOP, [("sword", 1)], "?", "USD", NOW)
