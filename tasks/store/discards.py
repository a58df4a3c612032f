"""Discards: what operators have given up of payments, by the rows that tell of it."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, Text, bindparam, cast, select

from tasks.payments.discards import Discard
from tasks.store.many import among
from tasks.store.schema import dead_letters, operator_actions
from tasks.store.states import ActionKind

_ACTIONS = (
    select(
        dead_letters.c.event_id,
        operator_actions.c.who,
        operator_actions.c.at,
        operator_actions.c.why,
        operator_actions.c.after,
    )
    .join(operator_actions, operator_actions.c.subject == cast(dead_letters.c.id, Text))
    .where(
        operator_actions.c.what == ActionKind.DISCARD,
        among(dead_letters.c.event_id, "event_ids"),
        dead_letters.c.handler == bindparam("handler"),
    )
    .order_by(operator_actions.c.id)
)


def discards_of(
    connection: Connection, event_ids: Collection[int], handler: str, keys: Mapping[int, str]
) -> dict[str, Discard]:
    """Return who has given up a handler's run of each of these events, by their keys; the last word counts.

    `keys` are those of the payment's events, by number.
    """
    if not event_ids:
        return {}
    # A release before 0.1.0 kept no row of it.
    found = {keys[event_id]: Discard() for event_id in event_ids}
    for row in connection.execute(_ACTIONS, {"event_ids": list(event_ids), "handler": handler}):
        known = frozenset(keys[number] for number in row.after.get("known", ()) if number in keys)
        found[keys[row.event_id]] = Discard(row.who, row.at, row.why, known)
    return found
