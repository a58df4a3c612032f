"""A table for a terminal that is wide enough, or for a pipe."""

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from shutil import get_terminal_size

#: Between two columns.
_GAP = "   "


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str] | None:
    """Return rows under the names of their columns, line by line; None where a terminal is too narrow.

    A cell may have several lines.
    """
    columns = list(zip(names, *rows, strict=True))
    widths = [max(_width(line) for cell in column for line in cell.split("\n")) for column in columns]
    whole = sum(widths) + len(_GAP) * (len(widths) - 1)
    rule = f" {'-' * (whole + 2)}"
    if sys.stdout.isatty() and len(rule) > get_terminal_size().columns:
        return None
    drawn = (line for row in rows for line in _lines(row, widths))
    return [*_lines(names, widths), rule, *drawn]


def _lines(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for parts in zip_longest(*(cell.split("\n") for cell in cells), fillvalue=""):
        padded = (part + " " * (width - _width(part)) for part, width in zip(parts, widths, strict=True))
        yield f"  {_GAP.join(padded)}".rstrip(" ")


def _width(text: str) -> int:
    """Return how many columns of a terminal a line takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
