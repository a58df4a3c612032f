"""Orders: what the merchant's own function said that payments were for. The first answer stands."""

from collections.abc import Collection
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, select

from tasks.payments.order import Order, OrderLine
from tasks.payments.states import DecisionStatus
from tasks.store.dialects import insert
from tasks.store.many import among, insert_missing
from tasks.store.schema import orders, payments

_LINES = TypeAdapter(tuple[OrderLine, ...])
_ORDERS = select(orders).where(among(orders.c.payment_id, "payment_ids"))
_LOCK = select(payments.c.id).where(payments.c.id == bindparam("payment_id")).with_for_update()


def orders_of(connection: Connection, payment_ids: Collection[str]) -> dict[str, Order]:
    """Return what these payments were for, by payment, as far as the merchant's function has said."""
    rows = connection.execute(_ORDERS, {"payment_ids": list(payment_ids)}) if payment_ids else ()
    return {row.payment_id: Order(_LINES.validate_json(row.lines), row.cents, row.currency) for row in rows}


def save_order(connection: Connection, payment_id: str, order: Order, now: datetime) -> bool:
    """Keep what a payment was for, and hold the payment until the transaction ends.

    Returns False where that was said before: the first answer stands.
    """
    payment = {"id": payment_id, "decision": DecisionStatus.NOTHING, "updated_at": now}
    insert_missing(connection, payments, [payment])
    # As fulfilment does, which so decides either before it or with it.
    connection.execute(_LOCK, {"payment_id": payment_id})
    row = {
        "payment_id": payment_id,
        "lines": _LINES.dump_json(order.lines).decode(),
        "cents": order.cents,
        "currency": order.currency,
        "answered_at": now,
    }
    keep = insert(connection.dialect.name, orders).on_conflict_do_nothing().returning(orders.c.payment_id)
    return connection.execute(keep, row).one_or_none() is not None
