"""Combinations: one price for each line of a cart, so that they add up to what was paid."""

from collections.abc import Callable, Sequence

#: How many sums are looked at before a cart is held to be odd: far more than any shop's former prices make.
_MOST_SUMS = 10_000

#: A sum, the price of the last line in it, and the same for the lines before; None: no line yet.
_Sum = tuple[int, int, "_Sum | None"]


def combination(
    alternatives: Sequence[Sequence[int]], paid: int, *, leaves_a_rest: bool
) -> Sequence[int] | None:
    """Return a price for each line, or None where no combination fits `paid`.

    `alternatives` are each line's prices, the preferred one first; earlier lines get their preferred one
    before later ones. The sum must be `paid`, or with `leaves_a_rest` at most that. Where there are too many
    sums, the first price of every line counts alone.
    """
    first = [each[0] for each in alternatives]
    fits: Callable[[int], bool] = paid.__ge__ if leaves_a_rest else paid.__eq__
    if fits(sum(first)):
        return first
    least_to_come = sum(map(min, alternatives))
    most_to_come = sum(map(max, alternatives))
    sums: dict[int, _Sum | None] = {0: None}
    looked_at = 0
    for each in alternatives:
        least_to_come -= min(each)
        most_to_come -= max(each)
        longer: dict[int, _Sum | None] = {}
        for before, way in sums.items():
            for price in dict.fromkeys(each):
                total = before + price
                if total + least_to_come <= paid and (leaves_a_rest or total + most_to_come >= paid):
                    longer.setdefault(total, (total, price, way))
        looked_at += len(longer)
        if looked_at > _MOST_SUMS:
            return None
        sums = longer
    found = next((way for total, way in sums.items() if fits(total)), None)
    return _prices(found) if found else None


def _prices(way: _Sum | None) -> Sequence[int]:
    prices: list[int] = []
    while way:
        prices.append(way[1])
        way = way[2]
    return prices[::-1]
