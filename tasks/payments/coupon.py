"""Coupons: what a buyer who names one pays less."""

from datetime import datetime
from functools import cached_property
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Coupon(BaseModel):
    """Percent off the prices of all items or of some, without end or until a moment."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    percent: Annotated[int, Field(strict=True, ge=1, le=100, description="How many percent it takes off.")]
    until: Annotated[
        AwareDatetime | None,
        Field(strict=True, description="The last moment of paying at which it counts, with the time zone."),
    ] = None
    items: Annotated[
        tuple[str, ...] | None, Field(min_length=1, description="The items that it is for; all without it.")
    ] = None

    def is_over(self, at: datetime) -> bool:
        """Tell whether it no longer counts at a moment."""
        return self.until is not None and at > self.until

    def is_for(self, item: str) -> bool:
        """Tell whether it takes something off an item's price."""
        return self.items is None or item in self._known

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.items or ())

    def off(self, cents: int) -> int:
        """Return what a price comes down to, rounded down; only 100 percent bring one down to nothing."""
        least = 0 if self.is_all else min(cents, 1)
        return max(cents * (100 - self.percent) // 100, least)

    @property
    def is_all(self) -> bool:
        """Whether it takes off the whole price."""
        return self.percent == 100  # noqa: PLR2004  # percent
