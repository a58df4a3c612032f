"""Erasure: forgets a buyer. What was paid and granted stays, under a name that tells nothing.

The buyer gets one new name everywhere, so that payments are decided as before: an event that comes late, such
as a chargeback, finds the wallet that holds what was granted.
"""

import secrets
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    func,
    or_,
    select,
    union,
    update,
)

from tasks.errors import PriceListUnusable
from tasks.payments.facts import VERSION, Facts
from tasks.payments.forgetting import forgotten, names
from tasks.payments.wallet import wallet_key
from tasks.store import locking
from tasks.store.actions import Change, Operator, record
from tasks.store.events import facts_text, read_anew
from tasks.store.many import among
from tasks.store.notifications import forget
from tasks.store.price_lists import newest
from tasks.store.schema import (
    events,
    grants,
    handler_runs,
    ledger_entries,
    matches,
    notifications,
    payments,
    resolutions,
    subscriptions,
    wallets,
)
from tasks.store.states import ActionKind, NotificationState, RunState
from tasks.store.triggers import lifted
from tasks.store.views.finding import payments_of_wallet
from tasks.store.views.spellings import is_wallet

_FORGET = (
    update(events)
    .where(events.c.id == bindparam("number"))
    .values(body="", buyer=bindparam("named"), facts=bindparam("said"), facts_version=VERSION)
)


_EVENTS = select(events).order_by(events.c.id).with_for_update(key_share=True)
#: Where decisions and persons name a wallet, each with the payment's id.
_NAMING = (
    (payments.c.payer, payments.c.id),
    (payments.c.wallet, payments.c.id),
    (resolutions.c.wallet, resolutions.c.payment_id),
    (matches.c.wallet, matches.c.payment_id),
)


class _Scope(NamedTuple):
    """What names a buyer."""

    payment_ids: AbstractSet[str]
    #: Those that something has decided, or of which a person once said that the buyer gets it, or which the
    #: buyer once had something of.
    decided: AbstractSet[str]
    #: Those that have come since the subscriptions were renamed.
    subscriptions: int


class NotErasable(Exception):
    """There is no such buyer, or something of it is still under way; the message says what."""


def erase(connection: Connection, by: Operator, name: str, *, untold: bool = False) -> dict[str, int]:
    """Forget a buyer; return how many payments and events named it.

    Raises NotErasable where nobody has this name, and while something of the buyer is under way, but for what
    is yet to be told where that may stay `untold`.
    """
    key, alias = wallet_key(name), f"erased-{secrets.token_hex(8)}"
    # As intake and fulfilment hold them: subscriptions, payments, wallets.
    _rename_in(connection, subscriptions.c.wallet, name, alias)
    scope = _scope(connection, name)
    locking.lock(connection, scope.decided, datetime.now(UTC))
    known = select(wallets.c.id).where(wallets.c.key == key).order_by(wallets.c.id).with_for_update()
    wallet_ids = connection.scalars(known).all()
    of_others = scope.decided - scope.payment_ids
    meant = or_(
        events.c.buyer == key,
        events.c.payment_id.in_(payments_of_wallet(name)),
        among(events.c.payment_id, "of_others"),
    )
    rows = [
        row
        for row in connection.execute(_EVENTS.where(meant), {"of_others": sorted(of_others)})
        if row.payment_id not in of_others or names(_facts(row), key)
    ]
    _check_runs(connection, [row.id for row in rows])
    # Last, for each statement sees what has come before it: what fulfilment was through with just now, too.
    # What comes later is no part of it.
    if scope.subscriptions or _scope(connection, name) != scope:
        raise NotErasable("A purchase of the buyer has come meanwhile. Try again.")
    if not rows:
        raise NotErasable("Nothing is stored under this name. `coinflowctl find` knows similar ones.")
    if not untold:
        _check_told(connection, scope.decided)
    told_by = _told_by(connection)
    connection.execute(
        _FORGET,
        [
            {
                "number": row.id,
                "named": alias if row.buyer == key else row.buyer,
                "said": facts_text(forgotten(_facts(row), key, alias, told_by)),
            }
            for row in rows
        ],
    )
    for column, payment_id in _NAMING:
        of_these = among(payment_id, "decided")
        _rename_in(connection, column, name, alias, of_these, decided=sorted(scope.decided))
    _rename_wallets(connection, wallet_ids, name, alias)
    forget(connection, scope.decided)
    counts = {"payments": len(scope.payment_ids), "events": len(rows)}
    record(connection, by, ActionKind.ERASE, Change(subject=alias, after=counts))
    return counts


def _scope(connection: Connection, name: str) -> _Scope:
    payment_ids = frozenset(connection.scalars(payments_of_wallet(name)))
    said = [
        select(each.c.payment_id).where(is_wallet(each.c.wallet, name)) for each in (resolutions, matches)
    ]
    of_buyer = select(wallets.c.id).where(wallets.c.key == wallet_key(name))
    # It reads the whole ledger, as to rename in it does: an index would cost every grant.
    moved = select(ledger_entries.c.payment_id).where(
        or_(ledger_entries.c.wallet_id.in_(of_buyer), is_wallet(ledger_entries.c.wallet, name))
    )
    had = connection.scalars(moved.distinct()).all()
    # To hold what nothing has decided, such as what is foreign, would make a payment of it.
    decided = select(payments.c.id).where(
        or_(among(payments.c.id, "payment_ids"), payments.c.id.in_(union(*said)))
    )
    subscribed = select(func.count()).where(is_wallet(subscriptions.c.wallet, name))
    return _Scope(
        payment_ids,
        frozenset(connection.scalars(decided, {"payment_ids": sorted({*payment_ids, *had})})),
        connection.scalar(subscribed) or 0,
    )


def _check_runs(connection: Connection, event_ids: Collection[int]) -> None:
    runs = select(func.count()).where(
        among(handler_runs.c.event_id, "event_ids"), handler_runs.c.state == RunState.PENDING
    )
    if count := connection.scalar(runs, {"event_ids": list(event_ids)}):
        raise NotErasable(f"{count} handlers are not through with events of the buyer. Try again later.")


def _check_told(connection: Connection, payment_ids: Collection[str]) -> None:
    untold = select(func.count()).where(
        among(notifications.c.payment_id, "payment_ids"), notifications.c.state == NotificationState.PENDING
    )
    if count := connection.scalar(untold, {"payment_ids": list(payment_ids)}):
        raise NotErasable(
            f"{count} notifications of the buyer's payments wait, and would tell an alias. Try again later, "
            "or let them by --untold; `coinflowctl notifications list --state pending` names them."
        )


def _told_by(connection: Connection) -> Collection[str]:
    """Return the members of `webhookInfo` by which the price list tells whose payments are its own."""
    try:
        accepted = newest(connection)
    except PriceListUnusable:
        return ()
    return accepted.prices.only.keys() if accepted else ()


def _facts(row: Row[*tuple[Any, ...]]) -> Facts | None:
    """Return what an event says, read while its body is there."""
    if row.facts_version == VERSION or not row.body:
        return Facts.model_validate_json(row.facts) if row.facts else None
    return read_anew(row)


def _rename_in(
    connection: Connection,
    column: Column[Any],
    name: str,
    alias: str,
    *where: ColumnElement[bool],
    **given: Any,
) -> None:
    renamed = update(column.table).where(is_wallet(column, name), *where).values({column.name: alias})
    connection.execute(renamed, given)


def _rename_wallets(connection: Connection, ids: Sequence[int], name: str, alias: str) -> None:
    for number, wallet_id in enumerate(ids):
        # A name is unique, and blanks around it say nothing.
        values = {"key": alias, "name": alias + " " * number}
        connection.execute(update(wallets).where(wallets.c.id == wallet_id).values(values))
    _rename_grants(connection, ids, name, alias)
    with lifted(connection, ledger_entries.name):
        old = update(ledger_entries).where(is_wallet(ledger_entries.c.wallet, name)).values(wallet=alias)
        connection.execute(old)


def _rename_grants(connection: Connection, ids: Collection[int], name: str, alias: str) -> None:
    held = grants.c.wallet_id.in_(ids)
    rows = connection.execute(
        select(grants.c.payment_id, grants.c.item, grants.c.wallet_id).where(
            or_(held, and_(grants.c.wallet_id.is_(None), is_wallet(grants.c.wallet, name)))
        )
    ).all()
    for row in rows:
        one = update(grants).where(grants.c.payment_id == row.payment_id, grants.c.item == row.item)
        connection.execute(one.values(wallet=alias))
        # A trigger lets a grant forget its wallet when the name alone is changed.
        connection.execute(one.values(wallet_id=row.wallet_id))
