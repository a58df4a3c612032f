"""Resolutions: what persons said of payments, in the order in which they said it."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from tasks.payments.resolution import Resolution
from tasks.payments.states import ResolutionKind
from tasks.store.dialects import insert
from tasks.store.many import among
from tasks.store.schema import matches, resolutions

_RESOLUTIONS = (
    select(resolutions).where(among(resolutions.c.payment_id, "payment_ids")).order_by(resolutions.c.id)
)
_MATCHES = select(matches).where(among(matches.c.payment_id, "payment_ids"))


def resolutions_of(
    connection: Connection, payment_ids: Collection[str], keys: Mapping[int, str]
) -> dict[str, list[Resolution]]:
    """Return what was said of these payments, in order; `keys` are those of their events, by number."""
    found: dict[str, list[Resolution]] = {}
    if not payment_ids:
        return found
    values = {"payment_ids": list(payment_ids)}
    for row in connection.execute(_RESOLUTIONS, values):
        known = frozenset(keys[number] for number in json.loads(row.known) if number in keys)
        kind = ResolutionKind(row.kind)
        said = Resolution(kind, row.item, row.quantity or 1, row.wallet, known)
        found.setdefault(row.payment_id, []).append(said)
    for row in connection.execute(_MATCHES, values):
        words = found.setdefault(row.payment_id, [])
        # What the former release was told; this one keeps what it is told in both tables.
        if all(each.kind is not ResolutionKind.ITEM for each in words):
            words.insert(0, Resolution(ResolutionKind.ITEM, row.item, row.quantity, row.wallet))
    return found


def save_resolution(
    connection: Connection, payment_id: str, said: Resolution, known: Collection[int], action_id: int
) -> None:
    """Keep a person's word on a payment; `known` are the numbers of its events that are there."""
    now = datetime.now(UTC)
    row = {
        "payment_id": payment_id,
        "kind": said.kind,
        "item": said.item,
        "quantity": said.quantity if said.item else None,
        "wallet": said.wallet,
        "known": json.dumps(sorted(known)),
        "action_id": action_id,
        "said_at": now,
    }
    connection.execute(resolutions.insert(), row)
    if said.kind is ResolutionKind.ITEM:
        _save_match(connection, payment_id, said, now)


def _save_match(connection: Connection, payment_id: str, said: Resolution, now: datetime) -> None:
    """Let the former release know what was bought, too."""
    names = ("item", "quantity", "wallet", "matched_at")
    upsert = insert(connection.dialect.name, matches)
    upsert = upsert.on_conflict_do_update(
        index_elements=[matches.c.payment_id], set_={name: upsert.excluded[name] for name in names}
    )
    row = {"item": said.item, "quantity": said.quantity, "wallet": said.wallet, "matched_at": now}
    connection.execute(upsert, {"payment_id": payment_id, **row})
