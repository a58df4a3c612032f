"""Parts of a payment that are kept as JSON beside it: what price lists said of it, and what to look at."""

from collections.abc import Collection

from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from tasks.payments.attention import Note
from tasks.payments.verdict import Verdict
from tasks.store.schema import payments

_VERDICTS = TypeAdapter(list[Verdict])
_NOTES = TypeAdapter(list[Note])


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


def notes_text(notes: Collection[Note]) -> str | None:
    """Return notes as they are stored; None for none."""
    return _NOTES.dump_json(list(notes), exclude_defaults=True).decode() if notes else None


def read_notes(text: str | None) -> list[Note]:
    """Return the notes that were stored."""
    return _NOTES.validate_json(text) if text else []
