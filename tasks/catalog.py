"""The price list: what an item costs.

`webhookInfo` and the amounts pass through the buyer's browser and can be edited there, so what a payment
must have cost is decided here and nowhere else.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.errors import ItemUnknown, PriceMismatch


class CatalogError(Exception):
    """The price list cannot be read; the message names the file and the faulty place."""


class Price(BaseModel):
    """An amount in cents of a currency."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cents: Annotated[int, Field(gt=0)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"


class Item(BaseModel):
    """Something a wallet can hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    price: Price


class Catalog(BaseModel):
    """The items for sale, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: Mapping[str, Item]

    def check(self, item: str, quantity: int, cents: int, currency: str | None) -> None:
        """Return if `quantity` of `item` costs `cents`. Raises ItemUnknown or PriceMismatch.

        `currency` is None where Coinflow names none, as its purchase amounts usually do.
        """
        if item not in self.items:
            raise ItemUnknown(f"The price list has no item {item[:100]!r}.")
        price = self.items[item].price
        expected = price.cents * quantity
        if currency not in {None, price.currency}:
            raise PriceMismatch(f"{item} is sold in {price.currency}; the payment is in another currency.")
        if cents != expected:
            raise PriceMismatch(
                f"{quantity} x {item} costs {expected} cents {price.currency}; subtotal was {cents} cents."
            )


def read_catalog(path: Path) -> Catalog:
    """Return the price list in a TOML file. Raises CatalogError."""
    try:
        return Catalog.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CatalogError(f"{path}: {error.strerror}. Set CATALOG_PATH to the price list.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(f"{path}: {error}") from None
    except ValidationError as error:
        fault = error.errors()[0]
        raise CatalogError(f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
