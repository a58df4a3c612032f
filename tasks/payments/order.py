"""The merchant's own orders: what was bought and what it must have cost, as the merchant's function says."""

from typing import Annotated, Any, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from tasks.coinflow.fields import MOST_CENTS, NAME_LENGTH
from tasks.errors import OrderInvalid
from tasks.payments.named import MOST, MOST_LINES, Line, Named


class _Checked:
    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, given: Any, build: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return build(given)
        except ValidationError as error:
            fault = error.errors(include_input=False)[0]
            # An argument that was given without its name is told by its place.
            names = dict[int | str, object](enumerate(cls.__annotations__))
            places = [str(names.get(each, each)) for each in fault["loc"][:1]]
            raise OrderInvalid(f"{'.'.join([cls.__name__, *places])}: {fault['msg']}.") from None


@dataclass(frozen=True)
class OrderLine(_Checked):
    """So many of one item of the price list. Raises OrderInvalid."""

    item: Annotated[str, StringConstraints(min_length=1, max_length=NAME_LENGTH, pattern=r"^[^\x00]*$")]
    quantity: Annotated[int, Field(strict=True, ge=1, le=MOST)] = 1


@dataclass(frozen=True)
class Order(_Checked):
    """What was bought, and what it must have cost. Raises OrderInvalid."""

    lines: Annotated[tuple[OrderLine, ...], Field(min_length=1, max_length=MOST_LINES)]
    #: The price of all lines together, in the smallest unit of the currency.
    cents: Annotated[int, Field(strict=True, ge=0, le=MOST_CENTS)]
    #: An ISO 4217 code, in capitals.
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


def named_by(order: Order | None) -> Named | None:
    """Return what an order names, as if an event did; None of none."""
    if order is None:
        return None
    cart = tuple(Line(item=line.item, quantity=line.quantity) for line in order.lines)
    return Named(cart=cart, is_ordered=True)
