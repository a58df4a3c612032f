from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import ItemUnknown, PriceMismatch
from tasks.payments.price_list import (
    AcceptedPriceList,
    FormerPrice,
    Item,
    Price,
    PriceList,
    PriceListError,
    read_price_list,
)

SWORD = PriceList(items={"sword": Item(price=Price(cents=500, currency="USD"))})
NOW = datetime(2026, 11, 5, tzinfo=UTC)


def raised(former: FormerPrice) -> PriceList:
    return PriceList(items={"sword": Item(price=Price(cents=500), former_prices=(former,))})


@given(quantity=st.integers(1, 10**6), cents=st.integers(0, 10**9))
def test_only_price_times_quantity_is_accepted(quantity: int, cents: int) -> None:
    if cents == 500 * quantity:
        SWORD.check("sword", quantity, cents, "USD", NOW)
    else:
        with pytest.raises(PriceMismatch):
            SWORD.check("sword", quantity, cents, "USD", NOW)


def test_another_currency_is_refused_and_both_are_named() -> None:
    with pytest.raises(PriceMismatch, match=r"1 x sword costs 500 cents USD; subtotal was 500 cents EUR"):
        SWORD.check("sword", 1, 500, "EUR", NOW)


def test_an_unknown_item_is_named() -> None:
    with pytest.raises(ItemUnknown, match="excalibur"):
        SWORD.check("excalibur", 1, 500, "USD", NOW)


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
    prices.check("sword", quantity, 500 * quantity, "USD", at)
    if lateness <= timedelta(0):
        prices.check("sword", quantity, 450 * quantity, "USD", at)
    else:
        with pytest.raises(PriceMismatch):
            prices.check("sword", quantity, 450 * quantity, "USD", at)


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
    with pytest.raises(PriceMismatch) as error:
        prices.check("sword", 2, cents, currency, datetime(2026, 11, at, tzinfo=UTC))
    assert str(error.value) == message


FORMER = "{ cents = 4, ended = 2026-11-01T00:00:00+01:00, grace_days = 7 }"
SOLD = "[items.sword]\nprice = { cents = 5 }\n"


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("[items.sword\n", 1, "at line 1"),
        ("# one\n[items.sword]\nprice = [\n\n", 3, "at end of document"),
        ("[items.sword]\nprice = { cents = 0 }", 2, "items.sword.price.cents"),
        ("[items.sword]\nprice = { cents = 5.0 }", 2, "items.sword.price.cents"),
        ("[items.sword]\nprice = { cents = true }", 2, "items.sword.price.cents"),
        ('[items.sword]\nprice = { cents = 5, currency = "usd" }', 2, "items.sword.price.currency"),
        ("[items.sword]\nprize = { cents = 5 }", 2, "items.sword.prize"),
        ("[item.sword]\nprice = { cents = 5 }", 1, "item"),
        ('[items.sword]\nprice = { cents = """\n5\n""" }', 4, "items.sword.price.cents"),
        (f"{SOLD}\n[items.shield]\n\n[items.axe]\nprice = {{ cents = 5 }}", 4, "items.shield.price"),
        (f"{SOLD}former_prices = {{ cents = 4 }}", 3, "items.sword.former_prices"),
        (
            f"{SOLD}former_prices = [\n  {FORMER},\n  {FORMER.replace('+01:00', '')},\n  {FORMER},\n]\n",
            5,
            "items.sword.former_prices.1.ended: Input should have timezone info",
        ),
        (
            f"{SOLD}[[items.sword.former_prices]]\ncents = 4\nended = 2026-11-01T00:00:00Z\ngrace_days = -1",
            6,
            "items.sword.former_prices.0.grace_days",
        ),
        (
            f"{SOLD}former_prices = [{{ cents = 4, ended = 9999-12-31T00:00:00Z, grace_days = 1 }}]",
            3,
            "items.sword.former_prices.0: ended plus grace_days",
        ),
        ("", 1, "items"),
    ],
)
def test_a_broken_list_is_refused_with_its_line(text: str, line: int, complaint: str) -> None:
    with pytest.raises(PriceListError) as error:
        read_price_list(text)
    assert error.value.line == line
    assert complaint in error.value.reason
    assert error.value.told_of(Path("a/b.toml")) == f"a/b.toml, line {line}: {error.value.reason}"


@pytest.mark.parametrize("nonsense", ["9" * 5_000, "[" * 100_000])
def test_what_python_itself_cannot_read_is_refused(nonsense: str) -> None:
    with pytest.raises(PriceListError) as error:
        read_price_list(f"items = {nonsense}")
    assert error.value.told_of(Path("b.toml")).startswith("b.toml: ")


ITEMS = st.sampled_from(
    [
        "price = { cents = 5 }",
        "# ] } \u2028 a remark\n\nprice = { cents = 7 } # [",
        'price.cents = 9\nprice.currency = "EUR"',
        "price = { cents = 5 }\nformer_prices = [\n  # none yet\n]",
        f"price = {{ cents = 5 }}\nformer_prices = [\n  {FORMER},\n  {FORMER} # ]\n]",
        'price = { cents = 5, currency = """\\\n\n  USD""" }',
    ]
)
FAULTS = st.sampled_from(
    [
        ("price = { cents = 0 }", 0),
        ("prize = { cents = 1 }", 0),
        ("price = { cents = 5 }\ncolour = 'red'", 1),
        ("price = { cents = 5 }\nformer_prices = [\n  { cents = 4 }, # no end\n]", 2),
        ('price.cents = 9\nprice.currency = "eur"', 1),
    ]
)


@given(before=st.lists(ITEMS, max_size=6), fault=FAULTS, after=st.lists(ITEMS, max_size=6))
def test_the_line_of_a_fault_is_exact(before: list[str], fault: tuple[str, int], after: list[str]) -> None:
    broken, offset = fault
    good = "".join(f"[items.b{number}]\n{item}\n" for number, item in enumerate(before))
    rest = "".join(f"[items.a{number}]\n{item}\n" for number, item in enumerate(after))
    if good + rest:
        assert len(read_price_list(good + rest).items) == len(before) + len(after)
    with pytest.raises(PriceListError, match=r"items\.faulty\.") as error:
        read_price_list(f"{good}[items.faulty]\n{broken}\n{rest}")
    assert error.value.line == good.count("\n") + 2 + offset


def test_a_refusal_names_the_list_that_it_was_made_by() -> None:
    accepted = AcceptedPriceList(3, "1a2b3c4d" + "0" * 56, NOW, "alice@shop", SWORD)
    accepted.check("sword", 1, 500, "USD", NOW)
    name = r"Decided by price list 1a2b3c4d, accepted 2026-11-05 00:00:00 UTC\.$"
    with pytest.raises(PriceMismatch, match=rf"costs 500 cents USD.* {name}"):
        accepted.check("sword", 1, 501, "USD", NOW)
    with pytest.raises(ItemUnknown, match=rf"excalibur.* {name}"):
        accepted.check("excalibur", 1, 500, "USD", NOW)


def test_the_list_that_comes_along_can_be_read() -> None:
    text = Path("catalog.toml").read_text(encoding="utf-8")
    assert read_price_list(text).items["sword"].price == Price(cents=500, currency="USD")
