"""How commands speak: a table for people, JSON for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from tasks.cli.visible import visible, visible_lines
from tasks.errors import TransientError
from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.faults import is_behind, is_known, told
from tasks.store.revision import difference, revision_of

#: As wide as no terminal is, to find out how wide a table would be.
_WIDE = Console(width=1_000_000)


@contextmanager
def database() -> Iterator[Connection]:
    """Open the event log and ledger in one transaction; what is written is kept if the block ends well."""
    with transactions() as engine, engine.begin() as connection:
        yield connection


@contextmanager
def transactions() -> Iterator[Engine]:
    """Open the event log and ledger; a fault becomes one line that says what to do."""
    settings = Settings.load()
    engine = connect(settings.database_url.get_secret_value(), pooler=settings.database_pooler)
    try:
        yield engine
    except TransientError as error:
        raise click.ClickException(str(error)) from None
    except SQLAlchemyError as error:
        if not is_known(error):
            raise
        said = _of_revision(engine) if is_behind(error) else None
        said = said or told(error, engine.url.username)
        raise click.ClickException(f"The database cannot be used. {said} Check DATABASE_URL.") from None
    finally:
        engine.dispose()


def say(text: str, *, err: bool = False) -> None:
    """Print a line, on standard error if asked; whatever stands in it, it stays one line."""
    click.echo(visible(text), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """Print lines."""
    click.echo(visible_lines(text), err=err)


def _of_revision(engine: Engine) -> str | None:
    with suppress(SQLAlchemyError), engine.connect() as connection:
        return difference(revision_of(connection))
    return None


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
    table = _table(title, names, [[_text(cells[name]) for name in names] for cells in listed])
    width = Measurement.get(_WIDE, _WIDE.options, table).maximum
    terminal = Console()
    if terminal.is_terminal and width > terminal.width:
        say_lines("\n\n".join([visible(title), *(_record(names, cells) for cells in listed)]) + "\n")
    else:
        Console(width=width).print(table)


def _table(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    # Text, because what came from outside must not be read as markup.
    table = Table(title=Text(visible(title), style="table.title"), title_justify="left", box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(name.replace("_", " "), no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


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
