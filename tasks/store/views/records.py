"""Rows that a filter means, as dataclasses: a column goes to the field of its name."""

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

T = TypeVar("T")


def equal(query: Select[Any], *wanted: tuple[Any, object]) -> Select[Any]:
    """Return the query for those rows alone in which each column has its value; None excludes none."""
    return query.where(*(column == value for column, value in wanted if value is not None))


def between(query: Select[Any], column: Any, since: datetime | None, until: datetime | None) -> Select[Any]:
    """Return the query for those rows alone from this time until before that one; None excludes none."""
    if since is not None:
        query = query.where(column >= since)
    return query if until is None else query.where(column < until)


def records(connection: Connection, query: Select[Any], of: type[T]) -> tuple[T, ...]:
    """Return what the query finds, in its order."""
    return tuple(of(**row._asdict()) for row in connection.execute(query))


def newest_last(connection: Connection, query: Select[Any], of: type[T]) -> tuple[T, ...]:
    """Return what a query finds that takes the newest first, the other way round."""
    return records(connection, query, of)[::-1]
