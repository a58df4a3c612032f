"""Matches: what an operator says that a payment bought whose events name no item."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, select

from tasks.payments.purchase import Match
from tasks.store.database import insert
from tasks.store.schema import matches

_MATCHES = select(matches).where(matches.c.payment_id.in_(bindparam("payment_ids", expanding=True)))


def matches_of(connection: Connection, payment_ids: Collection[str]) -> dict[str, Match]:
    """Return the matches of these payments."""
    found = connection.execute(_MATCHES, {"payment_ids": list(payment_ids)})
    return {row.payment_id: Match(row.item, row.quantity, row.wallet) for row in found}


def save_match(connection: Connection, payment_id: str, match: Match) -> None:
    """Keep an operator's word on a payment, in place of an earlier one."""
    upsert = insert(connection.dialect.name, matches)
    upsert = upsert.on_conflict_do_update(
        index_elements=[matches.c.payment_id],
        set_={name: upsert.excluded[name] for name in ("item", "quantity", "wallet", "matched_at")},
    )
    row = {
        "payment_id": payment_id,
        "item": match.item,
        "quantity": match.quantity,
        "wallet": match.wallet,
        "matched_at": datetime.now(UTC),
    }
    connection.execute(upsert, row)
