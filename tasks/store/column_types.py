"""Types of columns that are the same on SQLite and PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text, TypeDecorator


class Timestamp(TypeDecorator[datetime]):
    """An aware UTC time; SQLite keeps no zone of its own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Store as UTC."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return as UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Document(TypeDecorator[Mapping[str, object]]):
    """A JSON object, kept as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, object] | None, _dialect: Dialect) -> str | None:
        """Store as text."""
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Mapping[str, object] | None:
        """Return as it was stored."""
        document: Mapping[str, object] | None = None if value is None else json.loads(value)
        return document


class Names(TypeDecorator[Sequence[str]]):
    """A few names, kept as JSON; none of them are NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, _dialect: Dialect) -> str | None:
        """Store as text."""
        return json.dumps(list(value)) if value else None

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Sequence[str]:
        """Return as they were stored."""
        return tuple(json.loads(value)) if value else ()


LARGEST_ID = 2**63 - 1
# SQLite numbers rows by itself only in a column of type INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")
