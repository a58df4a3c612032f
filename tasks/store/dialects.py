"""What both kinds of database can do, and SQLAlchemy has under the name of each."""

from typing import TYPE_CHECKING

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


def insert(dialect: str, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """Return an INSERT of a connection's dialect, which knows ON CONFLICT."""
    if dialect != "postgresql":
        return sqlite.insert(table)
    # Who is on SQLite need not wait for it.
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # as said above

    return postgresql.insert(table)
