"""Runs under way: when a handler must be through with an event, and how often it may be cut off."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select, update

from tasks.errors import RunCutOff
from tasks.store.dead_letters import bury
from tasks.store.schema import RunState, handler_runs

#: How long a run may take before its event is sent again: longer than the longest wait between two tries and
#: the longest run together.
DEADLINE = timedelta(seconds=180)
#: How often a run may begin and end neither well nor with an error before it is given up.
STARTS = 5


def start(connection: Connection, event_ids: Collection[int], handler: str) -> list[int]:
    """Note that pending runs begin; return their events. A run that was cut off too often is a dead letter.

    A handler that ends its process, or outlasts its time limit, leaves nothing behind but this count.
    """
    runs = (
        handler_runs.c.event_id.in_(event_ids),
        handler_runs.c.handler == handler,
        handler_runs.c.state == RunState.PENDING,
    )
    now = datetime.now(UTC)
    connection.execute(
        update(handler_runs)
        .where(*runs)
        .values(sent_at=now, due_at=now + DEADLINE, starts=handler_runs.c.starts + 1)
    )
    begun = connection.execute(select(handler_runs.c.event_id, handler_runs.c.starts).where(*runs)).all()
    given_up = [run.event_id for run in begun if run.starts > STARTS]
    error = RunCutOff(f"It began {STARTS} times and each time ended its worker or hit the time limit.")
    bury(connection, given_up, handler, error, attempts=STARTS)
    return [run.event_id for run in begun if run.starts <= STARTS]


def end(connection: Connection, event_ids: Collection[int], handler: str) -> None:
    """Note that runs ended with an error that will be tried again: they did not end their worker."""
    connection.execute(
        update(handler_runs)
        .where(handler_runs.c.event_id.in_(event_ids), handler_runs.c.handler == handler)
        .values(starts=0)
    )
