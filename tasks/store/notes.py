"""Notes as they are kept: what a person should look at, as JSON beside the payment."""

from collections.abc import Collection

from pydantic import TypeAdapter

from tasks.payments.note import Note

_NOTES = TypeAdapter(list[Note])


def notes_text(notes: Collection[Note]) -> str | None:
    """Return notes as they are stored; None for none."""
    return _NOTES.dump_json(list(notes), exclude_defaults=True).decode() if notes else None


def read_notes(text: str | None) -> list[Note]:
    """Return the notes that were stored."""
    return _NOTES.validate_json(text) if text else []
