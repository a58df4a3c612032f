"""Dead letters: what a handler failed at for good, why, and each time that it did.

A letter lives until its run is done (`tasks.store.runs`). A replay keeps it; failing again makes its history
longer.
"""

import traceback
from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import Connection, and_, bindparam, delete, exists, select

from tasks.log import Log
from tasks.store.dialects import insert
from tasks.store.many import among
from tasks.store.schema import dead_letter_attempts, dead_letters, events, handler_runs

_log = Log(__name__)

#: The run that a letter is of; its state is the letter's.
RUN_OF_LETTER = and_(
    handler_runs.c.event_id == dead_letters.c.event_id, handler_runs.c.handler == dead_letters.c.handler
)
_OF = (among(dead_letters.c.event_id, "event_ids"), dead_letters.c.handler == bindparam("handler"))
_DELETE = delete(dead_letters).where(*_OF)
_ANY = select(exists().where(*_OF))
#: Events that a line of the log names, and the query of their payments.
_TOLD = 50
_PAYMENTS = select(events.c.payment_id).where(
    among(events.c.id, "event_ids"), events.c.payment_id.is_not(None)
)


def write(
    connection: Connection, event_ids: Collection[int], handler: str, error: Exception, *, attempts: int
) -> None:
    """Keep why the handler gave these events up; one letter each, however often it fails."""
    upsert = insert(connection.dialect.name, dead_letters)
    upsert = upsert.on_conflict_do_update(
        index_elements=[dead_letters.c.event_id, dead_letters.c.handler],
        set_={
            **{name: upsert.excluded[name] for name in ("error", "message", "traceback", "failed_at")},
            "attempts": dead_letters.c.attempts + upsert.excluded.attempts,
        },
    )
    letter = {
        "handler": handler,
        "error": type(error).__name__,
        "message": _storable(str(error)),
        "traceback": _storable("".join(traceback.format_exception(error))),
        "attempts": attempts,
        "failed_at": datetime.now(UTC),
    }
    connection.execute(upsert, [{**letter, "event_id": event_id} for event_id in event_ids])
    attempt = {name: letter[name] for name in ("handler", "error", "message", "failed_at")}
    connection.execute(
        dead_letter_attempts.insert(),
        [{**attempt, "tries": attempts, "event_id": event_id} for event_id in event_ids],
    )
    _log.warning(
        "dead_letter",
        handler=handler,
        error=type(error).__name__,
        reason=str(error),
        event_ids=list(event_ids)[:_TOLD],
        payments=connection.scalars(_PAYMENTS, {"event_ids": list(event_ids)[:_TOLD]}).all(),
        count=len(event_ids),
    )


def _storable(text: str) -> str:
    """Return what an error says as every database takes it: it may quote what a buyer wrote."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def remove(connection: Connection, event_ids: Collection[int], handler: str) -> None:
    """Take away the letters that these events have."""
    connection.execute(_DELETE, {"event_ids": list(event_ids), "handler": handler})


def any_of(connection: Connection, event_ids: Collection[int], handler: str) -> bool:
    """Tell whether one of these events has a letter."""
    return bool(connection.scalar(_ANY, {"event_ids": list(event_ids), "handler": handler}))
