"""What payments' events have been decided to mean, kept with the payments."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from tasks.store.many import insert_rows
from tasks.store.schema import payments

_DECIDED = (
    "decision",
    "wallet",
    "payer",
    "cents",
    "currency",
    "refunded_cents",
    "verdicts",
    "notes",
    "respond_by_date",
    "is_done",
    "order_id",
    "paid_at",
    "version",
    "updated_at",
)


# By the key of each: whether an UPDATE that joins rows reads the whole table is up to the planner, which may
# have known the table when it was small.
_REPLACE = (
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _DECIDED)
    + ", price_list_id = coalesce(excluded.price_list_id, payments.price_list_id)"
)


def keep(connection: Connection, decisions: Sequence[dict[str, Any]]) -> None:
    """Keep decisions, each with the columns of its payment; the caller holds the payments.

    Where no price had to be checked, `price_list_id` is None, and the last check's stays.
    """
    insert_rows(connection, payments, decisions, _REPLACE)
