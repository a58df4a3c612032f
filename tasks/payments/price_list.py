"""The price list: what an item costs, and how its file is read.

`webhookInfo` and the amounts pass through the buyer's browser and can be edited there, so what a payment
must have cost is decided here and nowhere else.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from tasks.errors import ItemUnknown, PriceMismatch


class CatalogError(Exception):
    """The price list cannot be read; the message names the file, the line if there is one, and the reason."""

    def __init__(self, path: Path, reason: str, line: int | None = None) -> None:
        super().__init__(f"{path}, line {line}: {reason}" if line else f"{path}: {reason}")
        self.reason = reason
        self.line = line


class Price(BaseModel):
    """An amount in cents of a currency."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cents: Annotated[int, Field(gt=0)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"


class FormerPrice(Price):
    """A price that no longer holds, and for how many days more a purchase begun under it may be paid."""

    ended: AwareDatetime
    grace_days: Annotated[int, Field(ge=0)]

    @property
    def accepted_until(self) -> datetime:
        """The last moment, in UTC, at which a payment at this price is good."""
        return self.ended.astimezone(UTC) + timedelta(days=self.grace_days)

    @model_validator(mode="after")
    def _within_the_calendar(self) -> Self:
        try:
            _ = self.accepted_until
        except OverflowError:
            raise ValueError("ended plus grace_days is no date of the calendar") from None
        return self


class Item(BaseModel):
    """Something a wallet can hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    price: Price
    former_prices: tuple[FormerPrice, ...] = ()


class Catalog(BaseModel):
    """The items for sale, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: Mapping[str, Item]

    def check(self, item: str, quantity: int, cents: int, currency: str | None, at: datetime) -> None:
        """Return if `quantity` of `item` cost `cents` at `at`. Raises ItemUnknown or PriceMismatch.

        `currency` is None where Coinflow names none, as its purchase amounts usually do. `at` is the moment,
        with its time zone, that Coinflow states for the event that paid.
        """
        if item not in self.items:
            raise ItemUnknown(f"The price list has no item {item[:100]!r}.")

        def fits(price: Price) -> bool:
            return cents == price.cents * quantity and currency in {None, price.currency}

        sold = self.items[item]
        accepted = [sold.price, *(price for price in sold.former_prices if at <= price.accepted_until)]
        if any(map(fits, accepted)):
            return
        expected = " or ".join(f"{price.cents * quantity} cents {price.currency}" for price in accepted)
        foreign = currency is not None and currency not in {price.currency for price in accepted}
        over = max((price.accepted_until for price in sold.former_prices if fits(price)), default=None)
        raise PriceMismatch(
            f"{quantity} x {item} costs {expected}; subtotal was {cents} cents"
            + (" of another currency" if foreign else "")
            + (f", a former price that was accepted until {over:%Y-%m-%d %H:%M:%S} UTC." if over else ".")
        )


def read_catalog(path: Path) -> Catalog:
    """Return the price list in a TOML file. Raises CatalogError."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return Catalog.model_validate(tomllib.loads(text))
    except OSError as error:
        raise CatalogError(path, f"{error.strerror}. Set CATALOG_PATH to the price list.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise CatalogError(path, f"not in UTF-8: {error.reason}", line) from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        raise CatalogError(path, str(error), line) from None
    except ValidationError as error:
        # A misspelt name is two faults, and the name says more than that another one is missing.
        fault = min(error.errors(), key=lambda fault: fault["type"] == "missing")
        reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
        raise CatalogError(path, reason, _line_of(fault, text)) from None
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits, brackets in brackets without end.
        raise CatalogError(path, str(error)) from None


def _line_of(fault: ErrorDetails, text: str) -> int:
    """Return the line that a fault of the list came in with, as tomllib keeps no lines.

    It ends the shortest beginning of the file that has the fault; a longer one that can be read has it too,
    because TOML defines nothing twice. One that cannot be read, amid a value of several lines, is closed or
    else has what the next shorter one has.
    """
    lines = text.split("\n")
    place = (fault["loc"], fault["type"])

    def has_fault(count: int) -> bool:
        for length in range(count, -1, -1):
            beginning = "\n".join(lines[:length])
            for closed in (beginning, f"{beginning}\n]"):
                try:
                    Catalog.model_validate(tomllib.loads(closed))
                except ValidationError as error:
                    return place in {(each["loc"], each["type"]) for each in error.errors()}
                except ValueError:
                    continue
                return False
        return False

    return max(1, bisect_left(range(len(lines)), 1, key=has_fault))
