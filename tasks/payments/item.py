"""Items: what a wallet can hold, or what is sold as several of them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, model_validator

from tasks.payments.list_fault import list_fault
from tasks.payments.price import FormerPrice, Price, Units

_Several = Annotated[tuple[Price, ...], Field(min_length=1)]
_read_several = TypeAdapter[tuple[Price, ...]](_Several).validate_python
#: So few that no cart of bundles adds up to more than a column of the database holds.
_Granted = Annotated[Units, Field(le=10**6)]


def _by_form(value: Any) -> Any:
    """Read one price, several, or the word for any; a union would name each of its forms in a fault."""
    if value == "any":
        return value
    if isinstance(value, dict | Price):
        return (Price.model_validate(value),)
    if not isinstance(value, list | tuple):
        # A TypeError would end the reading.
        raise ValueError('expected a price, an array of prices, or "any"')  # noqa: TRY004
    return _read_several(value)


class Item(BaseModel):
    """Something that is for sale."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    price: Annotated[
        tuple[Price, ...] | Literal["any"],
        PlainValidator(_by_form, json_schema_input_type=Price | _Several | Literal["any"]),
        Field(
            description='The price; or one for each currency; or "any", which is safe only where the '
            "checkout is tokenised, since the buyer can edit the amount otherwise."
        ),
    ]
    former_prices: Annotated[
        tuple[FormerPrice, ...], Field(description="Prices that no longer hold, accepted for some days more.")
    ] = ()
    refund: Annotated[
        Literal["keep", "proportional"],
        Field(
            description="What a part that goes back of several takes: nothing until the parts reach the "
            "price, or whole units."
        ),
    ] = "keep"
    grants: Annotated[
        Mapping[str, _Granted],
        Field(min_length=1, description="A bundle: how many of which other items one of it is."),
    ] = {}
    recipient: Annotated[
        bool,
        Field(strict=True, description="Whether `webhookInfo.recipient` may name the wallet that gets it."),
    ] = False
    limit: Annotated[Units | None, Field(description="How many one wallet can get.")] = None
    once_per: Annotated[
        Literal["orderId"] | None,
        Field(description="Each `webhookInfo.orderId` buys the item once."),
    ] = None

    @property
    def is_any(self) -> bool:
        """Whether any amount buys it."""
        return self.price == "any"

    @property
    def prices(self) -> tuple[Price, ...]:
        """What it costs, in each currency; nothing where any amount buys it."""
        return () if self.price == "any" else self.price

    def price_in(self, currency: str) -> Price | None:
        """Return what it costs in a currency, or None where it has no price in it."""
        return next((price for price in self.prices if price.currency == currency), None)

    @model_validator(mode="after")
    def _says_what_it_costs(self) -> Self:
        for name in ("limit", "once_per"):
            if self.grants and getattr(self, name) is not None:
                # What a wallet holds are those items, in whatever bundle they came.
                raise list_fault(
                    (name,), "a bundle has no limit of its own; set it for the items that it grants"
                )
        currencies = [price.currency for price in self.prices]
        for number, currency in enumerate(currencies):
            if currency in currencies[:number]:
                raise list_fault(("price", number), f"a second price in {currency}")
        if self.limit is None:
            for name, prices in (("price", self.prices), ("former_prices", self.former_prices)):
                for number, price in enumerate(prices):
                    if price.cents == 0:
                        # The buyer names the quantity, and comes again.
                        raise list_fault((name, number, "cents"), "what costs nothing needs a limit")
        return self
