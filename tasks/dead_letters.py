"""Dead letters: what a handler failed at for good, and why."""

import traceback
from collections.abc import Collection
from datetime import UTC, datetime

import structlog
from sqlalchemy import Connection, delete, update

from tasks.database import insert
from tasks.schema import RunState, dead_letters, handler_runs

_log = structlog.get_logger(__name__)


def bury(
    connection: Connection, event_ids: Collection[int], handler: str, error: Exception, *, attempts: int
) -> None:
    """Record that the handler gave these events up; one letter each, however often it fails."""
    if not event_ids:
        return
    now = datetime.now(UTC)
    upsert = insert(connection, dead_letters)
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
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
        "attempts": attempts,
        "failed_at": now,
    }
    connection.execute(upsert, [{**letter, "event_id": event_id} for event_id in sorted(event_ids)])
    _conclude(connection, event_ids, handler, RunState.DEAD, now)
    _log.warning(
        "dead_letter",
        handler=handler,
        error=type(error).__name__,
        reason=str(error),
        events=len(event_ids),
    )


def finish(connection: Connection, event_ids: Collection[int], handler: str) -> None:
    """Record that the handler is through with these events; a letter they had is done with."""
    if not event_ids:
        return
    _conclude(connection, event_ids, handler, RunState.DONE, datetime.now(UTC))
    connection.execute(
        delete(dead_letters).where(dead_letters.c.event_id.in_(event_ids), dead_letters.c.handler == handler)
    )


def _conclude(
    connection: Connection, event_ids: Collection[int], handler: str, state: RunState, now: datetime
) -> None:
    connection.execute(
        update(handler_runs)
        .where(handler_runs.c.event_id.in_(event_ids), handler_runs.c.handler == handler)
        .values(state=state, finished_at=now)
    )
