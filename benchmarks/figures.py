"""Figures of several runs: their median and range, and how two subjects compare."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

#: Of these less is better.
TIMES = (" ms", " s", " MB")


@dataclass(frozen=True)
class Spread:
    """What several runs of one thing have shown."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of one value or more."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.least == self.most:
            return written(self.median)
        return f"{written(self.median)} ({written(self.least)} to {written(self.most)})"


def written(value: float) -> str:
    """Return a figure with three digits that count, or all before the point."""
    if abs(value) >= 100:  # noqa: PLR2004  # three digits, as said above
        return f"{value:,.0f}"
    return f"{value:.3g}"


def is_better_small(name: str) -> bool:
    """Tell whether less of a figure is better, by its unit."""
    return name.endswith(TIMES)


def best(values: Sequence[float], name: str) -> float:
    """Return the best of several values of a figure."""
    return min(values) if is_better_small(name) else max(values)


def ratio(value: float, peer: float, name: str) -> float:
    """Return how many times as good as a peer's a value is; above 1 is better, whatever the unit."""
    if not value or not peer:
        return float("nan")
    return peer / value if is_better_small(name) else value / peer


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that is no less than this share of all. Raises ValueError for no values."""
    if not values:
        raise ValueError("There are no values.")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
