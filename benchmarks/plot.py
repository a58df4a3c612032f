"""A bar chart as SVG: the median of each subject, its range, and its figure."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

from benchmarks.figures import Spread

_WIDTH, _ROW, _NAMES, _FIGURES = 900, 28, 340, 190
_OURS, _THEIRS, _TEXT = "#1f77b4", "#b0b7bf", "#24292f"


def plot(title: str, spreads: Mapping[str, Spread]) -> str:
    """Return the picture; bars of ours, whose names begin so, have a colour of their own."""
    scale = (_WIDTH - _NAMES - _FIGURES) / (max(each.most for each in spreads.values()) or 1)
    height = _ROW * (len(spreads) + 1) + 8
    size = f'viewBox="0 0 {_WIDTH} {height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="19" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (name, spread) in enumerate(spreads.items(), start=1):
        lines += _bar(name, spread, scale, number * _ROW)
    return "\n".join([*lines, "</svg>", ""])


def _bar(name: str, spread: Spread, scale: float, top: int) -> list[str]:
    middle, colour = top + _ROW / 2, _OURS if name.startswith("our") else _THEIRS
    length, thickness = spread.median * scale, _ROW - 8
    least, most = (_NAMES + each * scale for each in (spread.least, spread.most))
    return [
        f'<text x="{_NAMES - 8}" y="{middle + 4:g}" text-anchor="end">{escape(_short(name))}</text>',
        f'<rect x="{_NAMES}" y="{top + 4}" width="{length:.1f}" height="{thickness}" fill="{colour}"/>',
        f'<line x1="{least:.1f}" y1="{middle:g}" x2="{most:.1f}" y2="{middle:g}" stroke="{_TEXT}"/>',
        f'<text x="{most + 8:.1f}" y="{middle + 4:g}">{escape(str(spread))}</text>',
    ]


def _short(name: str) -> str:
    """Leave out how many processes it has; the table says so."""
    return name.partition(" (")[0]
