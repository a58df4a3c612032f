from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.catalog import Catalog, CatalogError, Item, Price, read_catalog
from tasks.errors import ItemUnknown, PriceMismatch

SWORD = Catalog(items={"sword": Item(price=Price(cents=500, currency="USD"))})


@given(quantity=st.integers(1, 10**6), cents=st.integers(0, 10**9))
def test_only_price_times_quantity_is_accepted(quantity: int, cents: int) -> None:
    if cents == 500 * quantity:
        SWORD.check("sword", quantity, cents, None)
    else:
        with pytest.raises(PriceMismatch):
            SWORD.check("sword", quantity, cents, None)


def test_a_currency_counts_where_one_is_named() -> None:
    SWORD.check("sword", 1, 500, "USD")
    with pytest.raises(PriceMismatch, match="USD"):
        SWORD.check("sword", 1, 500, "EUR")


def test_an_unknown_item_is_named() -> None:
    with pytest.raises(ItemUnknown, match="excalibur"):
        SWORD.check("excalibur", 1, 500, None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[items.sword\n", "line 1"),
        ("[items.sword]\nprice = { cents = 0 }", "items.sword.price.cents"),
        ("[items.sword]\nprice = { cents = 5.0 }", "items.sword.price.cents"),
        ("[items.sword]\nprice = { cents = true }", "items.sword.price.cents"),
        ('[items.sword]\nprice = { cents = 5, currency = "usd" }', "items.sword.price.currency"),
        ("[items.sword]\nprize = { cents = 5 }", "items.sword.price"),
        ("", "items"),
    ],
)
def test_a_broken_list_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(text)
    with pytest.raises(CatalogError) as error:
        read_catalog(path)
    assert str(path) in str(error.value)
    assert complaint in str(error.value)


def test_a_missing_list_says_which_variable_names_it(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="CATALOG_PATH"):
        read_catalog(tmp_path / "none.toml")


def test_the_list_that_comes_along_can_be_read() -> None:
    assert read_catalog(Path("catalog.toml")).items["sword"].price == Price(cents=500, currency="USD")
