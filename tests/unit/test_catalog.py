import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import ItemUnknown, PriceMismatch
from tasks.payments.price_list import Catalog, CatalogError, FormerPrice, Item, Price, read_catalog

SWORD = Catalog(items={"sword": Item(price=Price(cents=500, currency="USD"))})
NOW = datetime(2026, 11, 5, tzinfo=UTC)


def raised(former: FormerPrice) -> Catalog:
    return Catalog(items={"sword": Item(price=Price(cents=500), former_prices=(former,))})


@given(quantity=st.integers(1, 10**6), cents=st.integers(0, 10**9))
def test_only_price_times_quantity_is_accepted(quantity: int, cents: int) -> None:
    if cents == 500 * quantity:
        SWORD.check("sword", quantity, cents, None, NOW)
    else:
        with pytest.raises(PriceMismatch):
            SWORD.check("sword", quantity, cents, None, NOW)


def test_a_currency_counts_where_one_is_named() -> None:
    SWORD.check("sword", 1, 500, "USD", NOW)
    with pytest.raises(PriceMismatch, match=r"1 x sword costs 500 cents USD; .* another currency"):
        SWORD.check("sword", 1, 500, "EUR", NOW)


def test_an_unknown_item_is_named() -> None:
    with pytest.raises(ItemUnknown, match="excalibur"):
        SWORD.check("excalibur", 1, 500, None, NOW)


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
    prices.check("sword", quantity, 500 * quantity, None, at)
    if lateness <= timedelta(0):
        prices.check("sword", quantity, 450 * quantity, None, at)
    else:
        with pytest.raises(PriceMismatch):
            prices.check("sword", quantity, 450 * quantity, None, at)


@pytest.mark.parametrize(
    ("at", "cents", "currency", "message"),
    [
        (5, 1, None, "2 x sword costs 1000 cents USD or 900 cents EUR; subtotal was 1 cents."),
        (5, 900, "USD", "2 x sword costs 1000 cents USD or 900 cents EUR; subtotal was 900 cents."),
        (
            9,
            900,
            "EUR",
            (
                "2 x sword costs 1000 cents USD; subtotal was 900 cents of another currency, "
                "a former price that was accepted until 2026-11-08 00:00:00 UTC."
            ),
        ),
    ],
)
def test_a_mismatch_says_what_was_expected(at: int, cents: int, currency: str | None, message: str) -> None:
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
def test_a_broken_list_is_refused_with_its_place(
    tmp_path: Path, text: str, line: int, complaint: str
) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(text)
    with pytest.raises(CatalogError) as error:
        read_catalog(path)
    assert error.value.line == line
    assert complaint in error.value.reason
    assert str(error.value) == f"{path}, line {line}: {error.value.reason}"


@pytest.mark.parametrize("nonsense", ["9" * 5_000, "[" * 100_000])
def test_what_python_itself_cannot_read_is_refused(tmp_path: Path, nonsense: str) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(f"items = {nonsense}")
    with pytest.raises(CatalogError, match=str(path)):
        read_catalog(path)


def test_a_list_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_bytes(b"# one\n# caf\xe9\n" + SOLD.encode())
    with pytest.raises(CatalogError, match="line 2: not in UTF-8"):
        read_catalog(path)


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
def test_the_line_of_a_fault_is_exact(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], fault: tuple[str, int], after: list[str]
) -> None:
    broken, offset = fault
    good = "".join(f"[items.b{number}]\n{item}\n" for number, item in enumerate(before))
    rest = "".join(f"[items.a{number}]\n{item}\n" for number, item in enumerate(after))
    path = tmp_path_factory.getbasetemp() / "generated.toml"
    path.write_text(good + rest, encoding="utf-8")
    if good + rest:
        assert len(read_catalog(path).items) == len(before) + len(after)
    path.write_text(f"{good}[items.faulty]\n{broken}\n{rest}", encoding="utf-8")
    with pytest.raises(CatalogError, match=r"items\.faulty\.") as error:
        read_catalog(path)
    assert error.value.line == good.count("\n") + 2 + offset


def test_a_missing_list_says_which_variable_names_it(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="CATALOG_PATH"):
        read_catalog(tmp_path / "none.toml")


def test_the_list_that_comes_along_can_be_read() -> None:
    assert read_catalog(Path("catalog.toml")).items["sword"].price == Price(cents=500, currency="USD")


def test_the_lists_in_the_readme_can_be_read(tmp_path: Path) -> None:
    shown = re.findall(r"```toml\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    assert len(shown) == 2
    for number, text in enumerate(shown):
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        assert read_catalog(path).items["sword"].price == Price(cents=500)
