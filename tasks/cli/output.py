"""How commands speak: a table for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from typing import Any

import click

from tasks.cli.table import table
from tasks.cli.visible import visible, visible_lines


def say(text: str, *, err: bool = False) -> None:
    """Print a line, on standard error if asked; whatever stands in it, it stays one line."""
    click.echo(visible(text), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """Print lines."""
    click.echo(visible_lines(text), err=err)


def print_json(document: object) -> None:
    """Print a document of plain values and dataclasses, in ASCII; times as ISO 8601."""
    # The one control character that JSON leaves as it is.
    click.echo(json.dumps(document, indent=2, default=_plain).replace("\x7f", "\\u007f"))


def print_table(title: str, rows: Sequence[Any], *, of: type | None = None) -> None:
    """Print rows under the names of their columns, or as records where a terminal is too narrow for that.

    No value is cut or broken, so that it can be searched for and copied. A column that is empty in every row
    is left out. A row is a dataclass or a mapping; of a dataclass, `of` names one whose fields alone are
    printed.
    """
    if not rows:
        say(f"{title}: none")
        return
    listed = [_cells(row) for row in rows]
    names = [field.name for field in fields(of)] if of else list(listed[0])
    names = [name for name in names if any(_text(cells[name]) for cells in listed)]
    texts = [[_text(cells[name]) for name in names] for cells in listed]
    lines = table([name.replace("_", " ") for name in names], texts)
    told = ["\n".join(lines)] if lines else [_record(names, cells) for cells in listed]
    say_lines("\n\n".join([visible(title), *told]) + "\n")


def _record(names: Sequence[str], cells: Mapping[str, object]) -> str:
    width = max(map(len, names))
    return "\n".join(
        f"  {'' if further else name.replace('_', ' '):{width}}  {line}"
        for name in names
        for further, line in enumerate(_text(cells[name]).splitlines())
    )


def _plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def _cells(row: Any) -> Mapping[str, object]:
    if isinstance(row, Mapping):
        return row
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Mapping):
        return "\n".join(f"{visible(str(name))}: {_text(each)}" for name, each in value.items())
    return "" if value is None else visible(str(value))
