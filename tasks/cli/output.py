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
    """Print rows under the names of their columns, whole: nothing is cut to the terminal's width.

    A row is a dataclass or a mapping; of a dataclass, `of` names one whose fields alone are printed. A column
    that is empty in every row would only narrow the others.
    """
    if not rows:
        say(f"{title}: none")
        return
    # Text, because what came from outside must not be read as markup.
    table = Table(title=Text(visible(title), style="table.title"), title_justify="left", box=box.SIMPLE_HEAD)
    listed = [_cells(row) for row in rows]
    names = [field.name for field in fields(of)] if of else list(listed[0])
    names = [name for name in names if any(_text(cells[name]) for cells in listed)]
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for cells in listed:
        table.add_row(*(Text(_text(cells[name])) for name in names))
    Console().print(table)


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
