"""Lines over time and their axes, as SVG."""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

GREY = "#5a6270"
_GRID = 'stroke="#e4e6e8" shape-rendering="crispEdges"'
_STEPS = [mantissa * 10.0**exponent for exponent in range(-4, 5) for mantissa in (1, 2, 5)]
#: How far apart an axis may be marked, by Grafana's units: half a message makes no sense, nor do 50 seconds.
_MARKS = {
    "short": [step for step in _STEPS if step >= 1],
    "s": [*(step for step in _STEPS if step <= 20), 30.0, 60.0, 120.0, 300.0],
    "ops": _STEPS,
}
#: Seconds between a line's points.
STEP = 2
#: Pixels between marks, at least.
_APART = 24


class Line(NamedTuple):
    """A series: its legend, and its values by their seconds."""

    legend: str
    points: list[tuple[float, float]]

    @classmethod
    def of(cls, series: dict[str, Any], legend: str, begin: float) -> Self:
        """Read what Prometheus says."""
        said = re.sub(r"{{(\w+)}}", lambda label: series["metric"].get(label[1], ""), legend)
        return cls(said, [(at - begin, float(value)) for at, value in series["values"]])


class Plot(NamedTuple):
    """Where a plot lies in its panel, and what its axes mean."""

    left: int
    right: int
    upper: int
    lower: int
    seconds: int
    unit: str

    def draw(self, lines: list[tuple[str, Line]]) -> Iterator[str]:
        """Draw axes, and lines in their colours."""
        values = [value for _, line in lines for _, value in line.points if math.isfinite(value)]
        most, marks = max(values, default=0) or 1, (self.lower - self.upper) // _APART
        step = next(each for each in _MARKS[self.unit] if most <= marks * each)
        count = math.ceil(most / step)
        for number in range(count + 1):
            yield from self._mark_value(number / count, _said(number * step, self.unit))
        for minute in range(self.seconds // 60 + 1):
            yield from self._mark_minute(minute)
        for colour, line in lines:
            path = self._path(line, count * step)
            yield f'<path d="{path}" fill="none" stroke-width="2" stroke="{colour}"/>'

    def _path(self, line: Line, top: float) -> str:
        """Lead through all values, and not over times of which nothing is known."""
        path, known = "", -math.inf
        for second, value in line.points:
            if math.isfinite(value):
                pen = "L" if second - known < 1.5 * STEP else "M"
                path += f"{pen}{self._x(second):.1f} {self._y(value / top):.1f}"
                known = second
        return path

    def _mark_value(self, share: float, said: str) -> Iterator[str]:
        at = self._y(share)
        yield f'<path d="M{self.left} {at:.0f}H{self.right}" {_GRID}/>'
        yield f'<text x="{self.left - 7}" y="{at + 5:.0f}" text-anchor="end" fill="{GREY}">{said}</text>'

    def _mark_minute(self, minute: int) -> Iterator[str]:
        at, under = self._x(minute * 60), self.lower + 18
        yield f'<path d="M{at:.0f} {self.upper}V{self.lower}" {_GRID}/>'
        yield f'<text x="{at:.0f}" y="{under}" text-anchor="middle" fill="{GREY}">{minute}:00</text>'

    def _x(self, second: float) -> float:
        return self.left + second / self.seconds * (self.right - self.left)

    def _y(self, share: float) -> float:
        return self.lower - share * (self.lower - self.upper)


def _said(value: float, unit: str) -> str:
    """Write a value as Grafana does."""
    if unit == "s" and value >= 60:
        return f"{value / 60:g} min"
    if unit == "s" and 0 < value < 1:
        return f"{value * 1000:g} ms"
    return f"{value:g}" + {"s": " s", "ops": " ops/s"}.get(unit, "")
