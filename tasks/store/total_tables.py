"""The tables of what has been counted once and for all; a part of the schema."""

from sqlalchemy import BigInteger, Column, Double, Table, Text

from tasks.store.column_types import Timestamp
from tasks.store.metadata import metadata

#: What has been counted, by what it is and by its labels; it only ever rises.
totals = Table(
    "totals",
    metadata,
    Column("name", Text, primary_key=True),
    # A JSON list.
    Column("labels", Text, primary_key=True),
    Column("value", Double, nullable=False),
)

#: How far each table has been counted, and the lock under which that moves.
total_marks = Table(
    "total_marks",
    metadata,
    Column("source", Text, primary_key=True),
    # The last row that is part of `totals`.
    Column("counted_id", BigInteger, nullable=False),
    # The newest row at a time; on PostgreSQL rows before it may have been on their way then, which are there
    # for good once every transaction has ended whose number is lower.
    Column("settling_id", BigInteger, nullable=False),
    Column("settling_since", Timestamp, nullable=False),
    Column("settling_transaction", BigInteger, nullable=False),
)
