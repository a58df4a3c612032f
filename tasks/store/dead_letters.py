"""Dead letters: what a handler failed at for good, and why.

A letter lives until its handler is through with the event. Replaying makes the run pending again and keeps
the letter; failing again makes its history longer.
"""

import traceback
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import structlog
from sqlalchemy import BindParameter, Connection, bindparam, delete, select, tuple_, update

from tasks.store.database import insert
from tasks.store.schema import RunState, dead_letter_attempts, dead_letters, handler_runs

_log = structlog.get_logger(__name__)


_EVENT_IDS: BindParameter[Sequence[int]] = bindparam("event_ids", expanding=True)
_DELETE = delete(dead_letters).where(
    dead_letters.c.event_id.in_(_EVENT_IDS), dead_letters.c.handler == bindparam("handler")
)
_CONCLUDE = (
    update(handler_runs)
    .where(handler_runs.c.event_id.in_(_EVENT_IDS), handler_runs.c.handler == bindparam("of"))
    .values(state=bindparam("state"), finished_at=bindparam("finished_at"))
)


def bury(
    connection: Connection, event_ids: Collection[int], handler: str, error: Exception, *, attempts: int
) -> None:
    """Record that the handler gave these events up; one letter each, however often it fails.

    What an operator has discarded stays so.
    """
    if not (event_ids := _undiscarded(connection, event_ids, handler)):
        return
    now = datetime.now(UTC)
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
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
        "attempts": attempts,
        "failed_at": now,
    }
    connection.execute(upsert, [{**letter, "event_id": event_id} for event_id in event_ids])
    attempt = {name: letter[name] for name in ("handler", "error", "message", "failed_at")}
    connection.execute(
        dead_letter_attempts.insert(),
        [{**attempt, "tries": attempts, "event_id": event_id} for event_id in event_ids],
    )
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
    connection.execute(_DELETE, {"event_ids": list(event_ids), "handler": handler})


def reopen(connection: Connection, letters: Collection[tuple[int, str]], due_at: datetime) -> None:
    """Make runs that were given up pending again; recovery sends what was not sent by `due_at`."""
    connection.execute(
        update(handler_runs)
        .where(
            tuple_(handler_runs.c.event_id, handler_runs.c.handler).in_(letters),
            handler_runs.c.state.in_([RunState.DEAD, RunState.DISCARDED]),
        )
        .values(state=RunState.PENDING, sent_at=datetime.now(UTC), due_at=due_at, starts=0, finished_at=None)
    )


def discard(connection: Connection, event_id: int, handler: str) -> None:
    """Give a run up for an operator; the letter stays to be read."""
    _conclude(connection, [event_id], handler, RunState.DISCARDED, datetime.now(UTC))


def _undiscarded(connection: Connection, event_ids: Collection[int], handler: str) -> list[int]:
    query = select(handler_runs.c.event_id).where(
        handler_runs.c.event_id.in_(event_ids),
        handler_runs.c.handler == handler,
        handler_runs.c.state != RunState.DISCARDED,
    )
    return list(connection.execute(query.order_by(handler_runs.c.event_id)).scalars())


def _conclude(
    connection: Connection, event_ids: Collection[int], handler: str, state: RunState, now: datetime
) -> None:
    values = {"event_ids": list(event_ids), "of": handler, "state": state, "finished_at": now}
    connection.execute(_CONCLUDE, values)
