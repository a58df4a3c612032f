"""The clock by which processes agree on what is due: the database's, where it is a server."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from tasks.store.column_types import Timestamp

_NOW = select(func.clock_timestamp(type_=Timestamp))


def clock(connection: Connection) -> datetime:
    """Return the time. A file's clock is the machine's, which all of its processes share."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    return connection.execute(_NOW).scalar_one()
