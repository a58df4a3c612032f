"""The form of a price list: what it says of items, coupons, plans, and of what is paid too much."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.errors import ItemUnknown
from tasks.payments.coupon import Coupon
from tasks.payments.item import Item
from tasks.payments.list_fault import list_fault
from tasks.payments.plan import Plan

_Text = Annotated[str, Field(min_length=1, max_length=200)]


class Overpayment(BaseModel):
    """How much above its price a payment may be."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    percent: Annotated[
        int, Field(strict=True, ge=0, le=100, description="Percent of the price; 0 forbids it.")
    ] = 10


class PriceList(BaseModel):
    """What is for sale."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    items: Annotated[Mapping[str, Item], Field(description="The items, by the names that checkouts use.")]
    coupons: Annotated[
        Mapping[str, Coupon], Field(description="The coupons, by what `webhookInfo.coupon` claims.")
    ] = {}
    plans: Annotated[Mapping[str, Plan], Field(description="The plans, by Coinflow's code of each.")] = {}
    overpayment: Annotated[
        Overpayment, Field(description="How much above its price a payment may be; 10 percent without it.")
    ] = Overpayment()
    only: Annotated[
        Mapping[_Text, _Text],
        Field(description="Fields of `webhookInfo`, as text; a payment with other ones is not this shop's."),
    ] = {}

    @cached_property
    def is_timeless(self) -> bool:
        """Whether it asks for the same at any time."""
        return not any(item.former_prices for item in self.items.values()) and all(
            coupon.until is None for coupon in self.coupons.values()
        )

    def check_item(self, item: str) -> None:
        """Return if the item is for sale. Raises ItemUnknown."""
        if item not in self.items:
            raise ItemUnknown(f"The price list has no item {item[:100]!r}.")

    @model_validator(mode="after")
    def _speaks_of_its_items(self) -> Self:
        for name, item in self.items.items():
            for granted in item.grants:
                place = ("items", name, "grants", granted)
                self._must_hold(granted, place)
                if self.items[granted].grants:
                    raise list_fault(place, "a bundle cannot be part of one")
        for name, coupon in self.coupons.items():
            for number, each in enumerate(coupon.items or ()):
                self._must_hold(each, ("coupons", name, "items", number))
            self._must_not_give_away(name, coupon)
        for name, plan in self.plans.items():
            self._must_hold(plan.item, ("plans", name, "item"))
        return self

    def _must_hold(self, item: str, place: tuple[int | str, ...]) -> None:
        if item not in self.items:
            raise list_fault(place, f"the list has no item {item[:100]!r}")

    def _must_not_give_away(self, name: str, coupon: Coupon) -> None:
        if not coupon.is_all:
            return
        for item in coupon.items or self.items:
            if self.items[item].limit is None and not self.items[item].is_any:
                raise list_fault(
                    ("coupons", name, "percent"), f"what costs nothing needs a limit: {item[:100]!r} has none"
                )
