"""Rows that a filter means, as dataclasses: a column goes to the field of its name."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, literal

T = TypeVar("T")


def equal(query: Select[Any], *wanted: tuple[Any, object]) -> Select[Any]:
    """Return the query for those rows alone in which each column has its value; None excludes none."""
    return query.where(*(column == value for column, value in wanted if value is not None))


def between(query: Select[Any], column: Any, since: datetime | None, until: datetime | None) -> Select[Any]:
    """Return the query for those rows alone from this time until before that one; None excludes none."""
    if since is not None:
        query = query.where(column >= since)
    return query if until is None else query.where(column < until)


def written(value: str) -> ColumnElement[str]:
    """Return a value that stands in the statement's own text, by which an index with a condition is found."""
    return literal(str(value), literal_execute=True)


def written_in(column: Any, values: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a column has one of such values."""
    condition: ColumnElement[bool] = column.in_([written(each) for each in values])
    return condition


def records(connection: Connection, query: Select[Any], of: type[T]) -> tuple[T, ...]:
    """Return what the query finds, in its order."""
    return tuple(of(**row._asdict()) for row in connection.execute(query))


def newest_last(connection: Connection, query: Select[Any], of: type[T]) -> tuple[T, ...]:
    """Return what a query finds that takes the newest first, the other way round."""
    return records(connection, query, of)[::-1]
