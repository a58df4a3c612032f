"""Rows as dataclasses: a column goes to the field of its name."""

from typing import Any, TypeVar

from sqlalchemy import Connection, Select

T = TypeVar("T")


def records(connection: Connection, query: Select[Any], of: type[T]) -> tuple[T, ...]:
    """Return what the query finds, in its order."""
    return tuple(of(**row._asdict()) for row in connection.execute(query))


def newest_last(connection: Connection, query: Select[Any], of: type[T]) -> tuple[T, ...]:
    """Return what a query finds that takes the newest first, the other way round."""
    return records(connection, query, of)[::-1]
