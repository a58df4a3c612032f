"""How commands speak: a table for people, JSON for programs."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, Select
from sqlalchemy.exc import OperationalError, ProgrammingError

from tasks.settings import Settings
from tasks.store.database import connect

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON."
)
limit_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The newest so many."
)


@contextmanager
def database() -> Iterator[Connection]:
    """Open the event log and ledger; a fault becomes one line that says what to do.

    What is written is kept if the block ends well, and none of it otherwise.
    """
    engine = connect(Settings.load().database_url.get_secret_value())
    try:
        with engine.begin() as connection:
            yield connection
    except (ProgrammingError, OperationalError) as error:
        raise click.ClickException(
            f"The database cannot be used ({str(error.orig).strip()}). "
            "Check DATABASE_URL, and run `alembic upgrade head` if its tables are missing."
        ) from None
    finally:
        engine.dispose()


def rows(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """Return a query's rows, each by the names of its columns."""
    return [dict(row) for row in connection.execute(query).mappings()]


def print_json(document: object) -> None:
    """Print a document; times as ISO 8601."""
    click.echo(json.dumps(document, indent=2, default=str))


def print_table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows under the names of their columns, whole: nothing is cut to the terminal's width."""
    if not rows:
        click.echo(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        # Text, because what came from outside must not be read as markup.
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    Console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)
