"""Payments, each held by one transaction at a time, in one order for everybody."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Select,
    Table,
    literal_column,
    select,
    union_all,
)

from tasks.payments.states import DecisionStatus
from tasks.payments.verdict import Verdict
from tasks.store import changes
from tasks.store.endpoints import NAMES, split_names
from tasks.store.many import among, insert_missing
from tasks.store.schema import grants, ledger_entries, matches, orders, payments, resolutions
from tasks.store.verdicts import read_verdicts

_LOCK = (
    select(
        payments.c.id,
        payments.c.verdicts,
        payments.c.version,
        NAMES.label("endpoints"),
    )
    .where(among(payments.c.id, "payment_ids"))
    .order_by(payments.c.id)
    .with_for_update(of=payments)
)


class Kept(StrEnum):
    """What may be kept of a payment in tables of its own."""

    GRANTS = "grants"
    ORDERS = "orders"
    RESOLUTIONS = "resolutions"
    MATCHES = "matches"
    #: Entries of the former release that have no number yet.
    UNNUMBERED = "unnumbered"


def _those(kept: Kept, table: Table, *where: ColumnElement[bool]) -> Select[tuple[str, str]]:
    return select(table.c.payment_id, literal_column(f"'{kept}'").label("kept")).where(
        among(table.c.payment_id, "payment_ids"), *where
    )


_KEPT = union_all(
    _those(Kept.GRANTS, grants),
    _those(Kept.ORDERS, orders),
    _those(Kept.RESOLUTIONS, resolutions),
    _those(Kept.MATCHES, matches),
    _those(Kept.UNNUMBERED, ledger_entries, ledger_entries.c.version.is_(None)),
)


@dataclass(frozen=True, slots=True)
class Locked:
    """What is read of a payment while it is locked."""

    verdicts: Sequence[Verdict] = ()
    #: Of its newest change.
    version: int = 0
    #: Whom its changes are told.
    endpoints: Sequence[str] = ()
    #: Nothing, where the payment is new.
    kept: AbstractSet[str] = frozenset()

    @property
    def is_behind(self) -> bool:
        """Whether the former release has written entries that have no number yet."""
        return Kept.UNNUMBERED in self.kept


def lock(connection: Connection, payment_ids: Collection[str], now: datetime) -> Mapping[str, Locked]:
    """Hold the payments until the transaction ends, in one order for everybody."""
    rows = [
        {"id": payment_id, "decision": DecisionStatus.NOTHING, "updated_at": now}
        for payment_id in sorted(payment_ids)
    ]
    new = insert_missing(connection, payments, rows, "id", _names(connection.dialect))
    locked = {payment_id: Locked(endpoints=split_names(names)) for payment_id, names in new}
    return locked | _lock(connection, [each for each in sorted(payment_ids) if each not in locked])


def _lock(connection: Connection, payment_ids: Sequence[str]) -> dict[str, Locked]:
    """Hold payments that are there."""
    if not payment_ids:
        return {}
    given = {"payment_ids": payment_ids}
    rows = connection.execute(_LOCK, given).all()
    kept: dict[str, set[str]] = {}
    # Not in the same statement: one that has waited for the lock sees the other tables as they were before.
    for row in connection.execute(_KEPT, given):
        kept.setdefault(row.payment_id, set()).add(row.kept)
    return {
        row.id: Locked(
            read_verdicts(row.verdicts),
            row.version,
            split_names(row.endpoints),
            kept.get(row.id, frozenset()),
        )
        for row in rows
    }


@cache
def _names(dialect: Dialect) -> str:
    return f"({NAMES.element.compile(dialect=dialect, compile_kwargs={'literal_binds': True})})"


def number_changes(connection: Connection, payment_ids: Collection[str]) -> None:
    """Give numbers to what the former release has written, and let endpoints be told of it."""
    if payment_ids:
        now = datetime.now(UTC)
        locked = lock(connection, payment_ids, now)
        behind = {payment_id: each.endpoints for payment_id, each in locked.items() if each.is_behind}
        changes.number(connection, behind, now)
