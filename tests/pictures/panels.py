"""Panels of a dashboard as SVG, where and as Grafana would place and name them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any
from xml.sax.saxutils import escape

from tests.pictures.plot import GREY, Line, Plot

_COLUMN, _COLUMNS, _ROW = 40, 24, 25
_FONT = 12
#: Pixels of a letter on average, in the widest of usual fonts.
_LETTER = 0.6 * _FONT
#: What a panel takes beside its plot: axes and title, and each row of its legend.
_LEFT, _RIGHT, _TOP, _BOTTOM, _LEGEND = 62, 24, 36, 25, 17
_MARGIN = 12
_COLOURS = ("#3d8b40", "#c98a00", "#1f78c1", "#c4162a", "#8f3bb8", "#00868b", "#e0662c", "#5a6270")


def page(panels: Sequence[tuple[Mapping[str, Any], list[Line]]], seconds: int) -> tuple[str, int, int]:
    """Return a picture of panels over so many seconds, its width and its height."""
    width = _COLUMN * _COLUMNS
    height = _ROW * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in panels)
    size = f'width="{width}" height="{height}"'
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="{_FONT}">',
        f'<rect {size} fill="#e9ebed"/>',
    ]
    for panel, lines in panels:
        place = panel["gridPos"]
        drawn.append(f'<g transform="translate({place["x"] * _COLUMN} {place["y"] * _ROW})">')
        drawn += _panel(panel, list(zip(cycle(_COLOURS), lines, strict=False)), seconds)
        drawn.append("</g>")
    return "\n".join([*drawn, "</svg>", ""]), width, height


def _panel(panel: Mapping[str, Any], lines: list[tuple[str, Line]], seconds: int) -> Iterator[str]:
    width, height = panel["gridPos"]["w"] * _COLUMN, panel["gridPos"]["h"] * _ROW
    yield f'<rect x="3" y="3" width="{width - 6}" height="{height - 6}" fill="#fff"/>'
    yield f'<text x="{_MARGIN}" y="23" font-weight="bold">{escape(panel["title"])}</text>'
    rows = _rows(lines, width - _MARGIN)
    lower = height - _BOTTOM - len(rows) * _LEGEND - _MARGIN // 2
    unit = panel["fieldConfig"]["defaults"]["unit"]
    yield from Plot(_LEFT, width - _RIGHT, _TOP, lower, seconds, unit).draw(lines)
    if not lines:
        middle = f'x="{(_LEFT + width - _RIGHT) / 2}" y="{(_TOP + lower) / 2}" text-anchor="middle"'
        yield f'<text {middle} fill="{GREY}">No data</text>'
    for number, row in enumerate(rows, start=1):
        at = lower + _BOTTOM + number * _LEGEND - 5
        for left, colour, legend in row:
            yield f'<path d="M{left:.0f} {at - 5:.0f}h13" stroke-width="3" stroke="{colour}"/>'
            yield f'<text x="{left + 18:.0f}" y="{at:.0f}">{escape(legend)}</text>'


def _rows(lines: list[tuple[str, Line]], width: float) -> list[list[tuple[float, str, str]]]:
    """Return the rows of a legend: of each line its left, its colour and what it is called."""
    rows: list[list[tuple[float, str, str]]] = [[]]
    left = float(_MARGIN)
    for colour, line in lines:
        long = 18 + len(line.legend) * _LETTER
        if rows[-1] and left + long > width:
            rows.append([])
            left = _MARGIN
        rows[-1].append((left, colour, line.legend))
        left += long + _MARGIN
    return rows
