"""Constraints that both kinds of database hold; the schema's, each named for its column."""

from collections.abc import Iterable

from sqlalchemy import CheckConstraint


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """Let a column hold these values alone. A new one needs a migration that widens the constraint first."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def at_least(least: int, column: str) -> CheckConstraint:
    """Let a column hold no smaller number."""
    return CheckConstraint(f"{column} >= {least}", name=column)
