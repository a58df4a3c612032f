"""What is wrong in a price list beyond the form of a single field."""

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


def list_fault(place: tuple[int | str, ...], reason: str) -> ValidationError:
    """Return what a validator raises for a fault at a place below what it validates.

    An error of any other kind would be one of the whole table, and point to its first line.
    """
    fault = PydanticCustomError("price_list", "{reason}", {"reason": reason})
    return ValidationError.from_exception_data(
        "PriceList", [InitErrorDetails(type=fault, loc=place, input=None)]
    )
