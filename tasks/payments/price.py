"""Prices: what so many units cost, now or until lately."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from tasks.coinflow.fields import MOST_CENTS
from tasks.payments.named import MOST

Cents = Annotated[int, Field(strict=True, ge=0, le=MOST_CENTS)]
#: How many there are of something.
Units = Annotated[int, Field(strict=True, ge=1, le=MOST)]
Currency = Annotated[
    str, Field(pattern=r"^[A-Z]{3}$", description="The currency: three capital letters of ISO 4217.")
]


class Price(BaseModel):
    """An amount in cents of a currency, for one unit or for several."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", strict=True)

    cents: Annotated[Cents, Field(description="What `per` units cost, in cents of the currency.")]
    per: Annotated[Units, Field(description="For how many units the cents are.")] = 1
    currency: Currency = "USD"

    def of(self, quantity: int) -> int:
        """Return the cents that a quantity costs, rounded up to a whole one."""
        return -(-self.cents * quantity // self.per)


class FormerPrice(Price):
    """A price that no longer holds, and for how many days more a purchase begun under it may be paid."""

    ended: Annotated[AwareDatetime, Field(description="When the price ended, with the time zone.")]
    grace_days: Annotated[int, Field(ge=0, description="How many days more it is accepted.")]

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
