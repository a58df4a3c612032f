"""Verdicts as they are kept: what price lists said of a payment, as JSON beside it."""

from collections.abc import Collection

from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from tasks.payments.verdict import Verdict
from tasks.store.schema import payments

_VERDICTS = TypeAdapter(list[Verdict])


def verdicts_text(verdicts: Collection[Verdict]) -> str:
    """Return verdicts as they are stored."""
    return _VERDICTS.dump_json(list(verdicts), exclude_defaults=True).decode()


def read_verdicts(text: str | None) -> list[Verdict]:
    """Return the verdicts that were stored."""
    return _VERDICTS.validate_json(text) if text else []


def verdicts_of(connection: Connection, payment_id: str) -> list[Verdict]:
    """Return what price lists have said of a payment."""
    query = select(payments.c.verdicts).where(payments.c.id == payment_id)
    return read_verdicts(connection.execute(query).scalar_one_or_none())
