"""The lines of a purchase, as the price list knows them, whatever was paid for them."""

from collections.abc import Iterable, Mapping

from tasks.payments.price_list_form import PriceList
from tasks.payments.quote import Lines, QuotedLine, quoted_line


def listed_lines(prices: PriceList, lines: Lines, currency: str) -> tuple[QuotedLine, ...]:
    """Return lines at the list's prices; of 0 cents where it has none in the currency."""
    return tuple(_line(prices, item, quantity, currency) for item, quantity in lines)


def ordered_lines(prices: PriceList, lines: Lines, cents: int, currency: str) -> tuple[QuotedLine, ...]:
    """Return the lines of the merchant's own order, which costs so many cents in all.

    What the list does not hold is put into the wallet under its own name.
    """
    if len(lines) > 1:
        return listed_lines(prices, lines, currency)
    return tuple(line.model_copy(update={"cents": cents}) for line in listed_lines(prices, lines, currency))


def units_of(counted: Iterable[tuple[QuotedLine, int]]) -> Mapping[str, int]:
    """Return how many of each item so many of each line put into the wallet."""
    units: dict[str, int] = {}
    for line, count in counted:
        for item, each in line.grants.items():
            units[item] = units.get(item, 0) + count * each
    return units


def _line(prices: PriceList, item: str, quantity: int, currency: str) -> QuotedLine:
    listed = prices.items.get(item)
    price = listed.price_in(currency) if listed else None
    return quoted_line(item, quantity, price.of(quantity) if price else 0, listed)
