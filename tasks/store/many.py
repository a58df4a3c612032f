"""Statements on many rows at once, whose text is the same however many there are.

The database plans such a statement once for a connection, and SQLAlchemy compiles it once: what differs is
one parameter, an array of values or a JSON text of rows.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Row,
    Table,
    Text,
    TextClause,
    TypeDecorator,
    UniqueConstraint,
    bindparam,
    text,
)
from sqlalchemy.dialects import registry
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

from tasks.store.column_types import Timestamp


class _Many(TypeDecorator[Sequence[Any]]):
    """Values of one type: an array, or JSON on SQLite, which has none."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return an array's type where there is one."""
        return dialect.type_descriptor(ARRAY(self.item) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        """Store as the dialect has it."""
        return value if dialect.name == "postgresql" else json.dumps(value)


class _Among(FunctionElement[Any]):
    # Not a Boolean: SQLAlchemy would compare it with 1 on SQLite, which then uses no index.
    type = NullType()
    inherit_cache = True


@compiles(_Among, "postgresql")
def _any_of_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(_Among, "sqlite")
def _any_of_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608  # of what is compiled


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Tell whether a column holds one of the values of a parameter, which is a list."""
    return _Among(column, bindparam(name, type_=_Many(column.type)))


@cache
def _postgresql() -> Dialect:
    # Who is on SQLite does not wait for it.
    dialect: Dialect = registry.load("postgresql.psycopg")()
    return dialect


def given(dialect: str, columns: Sequence[Column[Any]]) -> str:
    """Return what a statement selects FROM: the parameter `rows` as a table `given` of these columns.

    Its column `place` tells the rows' order.
    """
    names = ", ".join(each.name for each in columns)
    if dialect == "postgresql":
        typed = ", ".join(f"{each.name} {each.type.compile(_postgresql())}" for each in columns)
        rows = f"ROWS FROM (json_to_recordset(CAST(:rows AS json)) AS ({typed}))"
        return f"{rows} WITH ORDINALITY AS given({names}, place)"
    values = ", ".join(f"json_extract(value, '$.{each.name}') AS {each.name}" for each in columns)
    return f"(SELECT {values}, key AS place FROM json_each(:rows)) AS given"  # noqa: S608  # of columns


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], then: str = ""
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Insert rows of the same columns in their order; `then` is the statement's end."""
    if not rows:
        return ()
    statement = _insert(connection.dialect.name, table, tuple(rows[0]), then)
    if connection.dialect.name == "sqlite":
        rows = _on_sqlite(table, rows)
    # A third of the time that json takes.
    result = connection.execute(statement, {"rows": to_json(rows).decode()})
    return result.all() if result.returns_rows else ()


def insert_missing(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *returning: str
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Insert the rows whose unique key is not there yet; the others stay as they are.

    Returns these expressions of those that were inserted.
    """
    return insert_rows(connection, table, rows, _unless_there(table, returning))


def _on_sqlite(table: Table, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return rows with times as SQLAlchemy stores them."""
    names = _timed(table)
    return [{**row, **{name: _time_on_sqlite(row[name]) for name in names if row.get(name)}} for row in rows]


@cache
def _timed(table: Table) -> Sequence[str]:
    return [each.name for each in table.columns if isinstance(each.type, Timestamp)]


# A transaction writes most of its times again and again.
@lru_cache(maxsize=64)
def _time_on_sqlite(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


@cache
def _unless_there(table: Table, returning: Sequence[str]) -> str:
    # A number that is there already is no row that is there already.
    unique = next(
        (each for each in table.constraints if isinstance(each, UniqueConstraint)), table.primary_key
    )
    columns = ", ".join(each.name for each in unique.columns)
    then = f"ON CONFLICT ({columns}) DO NOTHING"
    return f"{then} RETURNING {', '.join(returning)}" if returning else then


@cache
def _insert(dialect: str, table: Table, names: Sequence[str], then: str) -> TextClause:
    source = given(dialect, [table.c[name] for name in names])
    columns = ", ".join(names)
    return text(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {source} ORDER BY place {then}")  # noqa: S608  # of tables and columns
