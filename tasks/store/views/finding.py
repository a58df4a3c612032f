"""Finding: payments by any name that a buyer, a shop or Coinflow has for them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, func, or_, select, union

from tasks.coinflow.spellings import without_merchant
from tasks.payments.wallet import wallet_key
from tasks.store.schema import events, grants, payments, wallets
from tasks.store.views.records import between
from tasks.store.views.spellings import is_wallet

#: An item that so many payments granted is found among the newest events, for no index leads to all of them.
_MANY = 10_000
#: How many of those events are read for each payment that is to be found.
_EVENTS = 50
#: Names that are compared with one that nobody has, and those that are shown.
_COMPARED = 5_000
_SHOWN = 5
#: Of this many letters at one of its ends a misspelt name has all right; of a short name a third.
_PART = 3
#: By so many letters a misspelt name is longer or shorter.
_OFF = 2
#: How alike a misspelt name is: 1 is the same.
_ALIKE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What is looked for; what is None excludes none."""

    text: str
    #: A payment's events came at this time or later.
    since: datetime | None = None
    #: They came before this time.
    until: datetime | None = None
    #: The newest so many.
    limit: int = 20


def find_payments(connection: Connection, sought: Sought) -> Sequence[str]:
    """Return payments by a name: their own, their order's, an item's that they granted, a wallet's.

    The one whose last event came last is first.
    """
    named = select(payments.c.id).where(or_(payments.c.id == sought.text, payments.c.order_id == sought.text))
    came = select(events.c.payment_id).where(events.c.payment_id == sought.text)
    of_wallet = _of_wallet(without_merchant(sought.text))
    found = {
        **_newest(connection, sought, union(named, came, *of_wallet)),
        **_newest_of_item(connection, sought),
    }
    return sorted(found, key=found.__getitem__, reverse=True)[: sought.limit]


def _newest_of_item(connection: Connection, sought: Sought) -> Mapping[str, int]:
    """Return the newest payments that granted an item, each with its last event's number."""
    granted = select(grants.c.payment_id).where(grants.c.item == sought.text)
    count = select(func.count()).select_from(granted.limit(_MANY).subquery())
    if connection.execute(count).scalar_one() < _MANY:
        return _newest(connection, sought, granted)
    is_meant = granted.where(grants.c.payment_id == events.c.payment_id).exists()
    came: Select[Any] = select(events.c.payment_id, events.c.id).where(is_meant)
    came = between(came, events.c.received_at, sought.since, sought.until)
    came = came.order_by(events.c.id.desc()).limit(_EVENTS * sought.limit)
    newest: dict[str, int] = {}
    for row in connection.execute(came):
        newest.setdefault(row.payment_id, row.id)
    return newest if len(newest) >= sought.limit else _newest(connection, sought, granted)


def payments_of_wallet(name: str) -> CompoundSelect[Any]:
    """Return the query of payments that a wallet paid, or would pay, or that granted it something."""
    return union(*_of_wallet(name))


def _of_wallet(name: str) -> Sequence[Select[Any]]:
    key = wallet_key(name)
    decided = select(payments.c.id).where(
        or_(is_wallet(payments.c.payer, name), is_wallet(payments.c.wallet, name))
    )
    # Two, for each has an index of its own.
    granted = select(grants.c.payment_id).join(wallets, wallets.c.id == grants.c.wallet_id)
    former = select(grants.c.payment_id).where(grants.c.wallet_id.is_(None), grants.c.wallet == name)
    sent = select(events.c.payment_id).where(events.c.buyer == key, events.c.payment_id.is_not(None))
    return decided, granted.where(wallets.c.key == key), former, sent


def find_inside(connection: Connection, sought: Sought) -> Sequence[str]:
    """Return payments by anything that stands in what Coinflow sent, such as an e-mail or a refund's id.

    It reads every body that came in the time that is meant, so that ought to be bounded.
    """
    inside = between(select(events.c.payment_id), events.c.received_at, sought.since, sought.until)
    return list(_newest(connection, sought, inside.where(_holds(sought.text))))


def near_names(connection: Connection, text: str) -> Sequence[str]:
    """Return names of buyers and wallets that look like one that nobody has, the likeliest first."""
    name = wallet_key(without_merchant(text))
    known = {each for column in (wallets.c.name, events.c.buyer) for each in _alike(connection, column, name)}
    by_letters = {each.casefold(): each for each in known if wallet_key(each) != name}
    close = get_close_matches(name.casefold(), by_letters, n=_SHOWN, cutoff=_ALIKE)
    return [by_letters[each] for each in close]


def _newest(
    connection: Connection, sought: Sought, named: Select[Any] | CompoundSelect[Any]
) -> Mapping[str, int]:
    """Return the newest of these payments, the newest first, each with its last event's number."""
    last = func.max(events.c.id).label("last")
    query: Select[Any] = select(events.c.payment_id, last).where(events.c.payment_id.in_(named))
    query = between(query, events.c.received_at, sought.since, sought.until)
    query = query.group_by(events.c.payment_id).order_by(last.desc()).limit(sought.limit)
    return {row.payment_id: row.last for row in connection.execute(query)}


def _holds(text: str) -> Any:
    # Capitals say nothing in an e-mail. SQLite knows those of ASCII alone; JSON may write others as numbers.
    written = {text, json.dumps(text)[1:-1]}
    return or_(
        func.lower(events.c.body).contains(text.lower(), autoescape=True),
        *(events.c.body.contains(each, autoescape=True) for each in sorted(written)),
    )


def _alike(connection: Connection, column: Any, name: str) -> Iterator[str]:
    """Yield names of about this length that begin or end as it does."""
    letters, lowered = func.lower(column), name.lower()
    right = max(1, min(_PART, len(name) // 3))
    for part in (
        letters.endswith(lowered[-right:], autoescape=True),
        letters.startswith(lowered[:right], autoescape=True),
    ):
        near = select(column).where(func.length(column).between(len(name) - _OFF, len(name) + _OFF), part)
        yield from connection.scalars(near.distinct().limit(_COMPARED))
