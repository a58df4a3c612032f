"""The price list: what an item costs, and how its text is read.

`webhookInfo` and the amounts pass through the buyer's browser and can be edited there, so what a payment
must have cost is decided here and nowhere else.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.errors import ItemUnknown, PriceMismatch
from tasks.payments.toml_lines import line_of


class PriceListError(Exception):
    """The price list cannot be read; the message names the line, if there is one, and the reason."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line

    def told_of(self, path: Path) -> str:
        """Return the message with the file that the list came from."""
        return f"{path}, {self}" if self.line else f"{path}: {self}"


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
    #: What a part that goes back of several takes: nothing until the parts reach the price, or whole units.
    refund: Literal["keep", "proportional"] = "keep"


class PriceList(BaseModel):
    """The items for sale, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: Mapping[str, Item]

    def check(self, item: str, quantity: int, cents: int, currency: str, at: datetime) -> None:
        """Return if `quantity` of `item` cost `cents` at `at`. Raises ItemUnknown or PriceMismatch.

        `at` is the moment, with its time zone, that Coinflow states for the event that paid.
        """
        self.check_item(item)

        def fits(price: Price) -> bool:
            return cents == price.cents * quantity and currency == price.currency

        sold = self.items[item]
        accepted = [sold.price, *(price for price in sold.former_prices if at <= price.accepted_until)]
        if any(map(fits, accepted)):
            return
        expected = " or ".join(f"{price.cents * quantity} cents {price.currency}" for price in accepted)
        over = max((price.accepted_until for price in sold.former_prices if fits(price)), default=None)
        raise PriceMismatch(
            f"{quantity} x {item} costs {expected}; subtotal was {cents} cents {currency[:10]}"
            + (f", a former price that was accepted until {over:%Y-%m-%d %H:%M:%S} UTC." if over else ".")
        )

    def check_item(self, item: str) -> None:
        """Return if the item is for sale. Raises ItemUnknown."""
        if item not in self.items:
            raise ItemUnknown(f"The price list has no item {item[:100]!r}.")

    def is_proportional(self, item: str) -> bool:
        """Tell whether a part of a price that goes back takes whole units of the item."""
        return item in self.items and self.items[item].refund == "proportional"


@dataclass(frozen=True, slots=True)
class AcceptedPriceList:
    """A list that was accepted for selling, and what it is known by."""

    id: int
    #: SHA-256 of its text, in hexadecimal digits.
    content_hash: str
    accepted_at: datetime
    accepted_by: str
    prices: PriceList

    def __str__(self) -> str:
        return f"price list {self.content_hash[:8]}, accepted {self.accepted_at:%Y-%m-%d %H:%M:%S} UTC"

    def check(self, item: str, quantity: int, cents: int, currency: str, at: datetime) -> None:
        """Do as `PriceList.check`; an error names this list."""
        with self._named():
            self.prices.check(item, quantity, cents, currency, at)

    def check_item(self, item: str) -> None:
        """Do as `PriceList.check_item`; an error names this list."""
        with self._named():
            self.prices.check_item(item)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (ItemUnknown, PriceMismatch) as refusal:
            raise type(refusal)(f"{refusal} Decided by {self}.") from None


def read_price_list(text: str) -> PriceList:
    """Return the price list that a TOML text holds. Raises PriceListError."""
    try:
        return PriceList.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        raise PriceListError(str(error), line) from None
    except ValidationError as error:
        # A misspelt name is two faults, and the name says more than that another one is missing.
        fault = min(error.errors(), key=lambda fault: fault["type"] == "missing")
        reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
        raise PriceListError(reason, line_of(text, fault["loc"])) from None
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits, brackets in brackets without end.
        raise PriceListError(str(error)) from None
