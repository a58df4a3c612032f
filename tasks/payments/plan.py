"""Plans: what each charge of a subscription buys."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.payments.price import Cents, Currency, Units


class PriceRange(BaseModel):
    """What a prorated charge may come to."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", strict=True)

    least: Annotated[Cents, Field(alias="from", ge=1, description="The least cents.")]
    most: Annotated[Cents, Field(alias="to", description="The most cents.")]
    currency: Currency = "USD"

    def holds(self, cents: int, currency: str) -> bool:
        """Tell whether an amount is within the range."""
        return currency == self.currency and self.least <= cents <= self.most

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.least > self.most:
            raise ValueError("from is above to")
        return self


class Plan(BaseModel):
    """What a subscription of Coinflow's plan of the same code buys with each charge."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    item: Annotated[str, Field(description="The item of the list that each charge buys.")]
    quantity: Annotated[Units, Field(description="How many of it.")] = 1
    price_range: Annotated[
        PriceRange | None,
        Field(description="What a prorated charge may come to, of a subscription alone."),
    ] = None
