"""A sale: what was sold for what, and how much of it is left when some of the money has gone back.

The readings chosen:

- A part that goes back of several units of one line whose item says `refund = "proportional"` takes whole
  units, rounded down. Of a cart it takes whole lines of such items, where it is the price of those and of
  no others.
- Of other items a part takes nothing until the parts reach the price.
- A part lost in a dispute takes its share of such items if that is whole units or lines, otherwise all; and a
  single unit whole, whatever its item says: the bank's word is no gift of the merchant's.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.payments.lines import units_of
from tasks.payments.quote import QuotedLine

#: How many units of each line.
Units = tuple[int, ...]
#: Sums of lines that are looked at; beyond, nobody could say which lines were meant.
_MOST_SUMS = 10_000


class Sale(NamedTuple):
    """What was sold, as far as it matters for what goes back of it."""

    #: What was asked for it, in `currency`; or None where no event states readably what was paid.
    cents: int | None
    #: In which the price and what goes back of it count.
    currency: str
    #: Empty where nobody knows what was bought.
    lines: tuple[QuotedLine, ...]
    #: Cents that were paid above what was asked.
    over: int = 0

    @property
    def all(self) -> Units:
        """All units."""
        return tuple(line.quantity for line in self.lines)

    @property
    def none(self) -> Units:
        """No unit."""
        return tuple(0 for _ in self.lines)

    def reaches(self, gone: int) -> bool:
        """Tell whether so many cents are all that was paid."""
        return self.cents is not None and gone > 0 and gone >= self.cents

    def left(self, gone: int) -> Units:
        """Return what is left when so many cents have gone back."""
        if self.reaches(gone):
            return self.none
        # What was paid too much goes back first.
        price_gone = gone - self.over
        if self.cents is None or price_gone <= 0:
            return self.all
        if len(self.lines) != 1:
            taken = _lines_of(self.lines, price_gone)
            return tuple(0 if number in taken else line.quantity for number, line in enumerate(self.lines))
        (line,) = self.lines
        taken_units = price_gone * line.quantity // self.cents if line.proportional else 0
        return (line.quantity - taken_units,)

    def is_share(self, lost: int) -> bool:
        """Tell whether cents that a dispute has lost are a part that counts, and not the whole sale."""
        if self.cents is None or self.all == (1,) or not 0 < lost < self.cents:
            return False
        if not any(line.proportional for line in self.lines):
            return True
        if len(self.lines) == 1:
            return lost * self.lines[0].quantity % self.cents == 0
        return bool(_lines_of(self.lines, lost))

    def granted(self, units: Units) -> Mapping[str, int]:
        """Return how many of each item so many units of the lines put into the wallet."""
        return units_of(zip(self.lines, units, strict=True))


def _lines_of(lines: Sequence[QuotedLine], cents: int) -> frozenset[int]:
    """Return the numbers of the proportional lines that cost so much together; none if others do, too."""
    found: dict[int, list[frozenset[int]]] = {0: [frozenset()]}
    for number, line in enumerate(lines):
        if not line.proportional or line.cents <= 0:
            continue
        for total, ways in list(found.items()):
            if total + line.cents <= cents:
                more = [way | {number} for way in ways]
                found[total + line.cents] = (found.get(total + line.cents, []) + more)[:2]
        if len(found) > _MOST_SUMS:
            return frozenset()
    ways = found.get(cents, [])
    return ways[0] if len(ways) == 1 else frozenset()
