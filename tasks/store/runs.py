"""The life of a run: how far a handler has come with an event.

    add ──▶ pending ──finish──▶ done
              │  ▲
      give_up │  │ reopen, from any other state
              ▼  │
             dead ──discard──▶ discarded

A pending run is sent to its handler at once, and again by recovery when it is overdue. `begin` counts its
beginnings and `forget_beginnings` takes the count back, so a run that ends its process or outlasts its time
limit, and so leaves nothing else behind, is given up after `MOST_BEGINNINGS`. A dead run has a dead letter,
which goes when the run is done; fulfilment finishes those of a payment that is granted after all. Whatever a
discarded run's handler says, it stays so.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    literal,
    select,
    tuple_,
    update,
)

from tasks.errors import RunCutOff
from tasks.store import dead_letters
from tasks.store.many import among, insert_missing
from tasks.store.schema import events, handler_runs
from tasks.store.states import RunState

#: The step that reads an event and routes it; dead letters name it where an event does not fit its type.
INTAKE = "intake"
#: The handler that moves the ledger to what a payment's events decide.
FULFILMENT = "fulfilment"
#: The step that asks the merchant's own function what a payment was for.
ORDERS = "orders"
#: How long a run may take before its event is sent again: longer than the longest wait between two tries and
#: the longest run together.
DEADLINE = timedelta(seconds=180)
#: Each time that a run is sent again the wait doubles up to this, so that a long backlog is not multiplied.
LONGEST_WAIT = timedelta(hours=1)
#: How often a run may begin and end neither well nor with an error before it is given up.
MOST_BEGINNINGS = 5

_OF = (among(handler_runs.c.event_id, "event_ids"), handler_runs.c.handler == bindparam("of"))
_CONCLUDE = (
    update(handler_runs)
    .where(*_OF, handler_runs.c.state != RunState.DISCARDED)
    .values(state=bindparam("state"), finished_at=bindparam("finished_at"))
    .returning(handler_runs.c.event_id)
)
_FAILING = (
    select(handler_runs.c.event_id)
    .where(*_OF, handler_runs.c.state.in_([RunState.PENDING, RunState.DEAD]))
    .order_by(handler_runs.c.event_id)
    # Against whoever is through with them at this moment.
    .with_for_update()
)
_BEGIN = (
    update(handler_runs)
    .where(*_OF, handler_runs.c.state == RunState.PENDING)
    .values(sent_at=bindparam("sent_at"), due_at=bindparam("due_at"), starts=handler_runs.c.starts + 1)
)
_BEGUN = select(handler_runs.c.event_id, handler_runs.c.starts).where(
    *_OF, handler_runs.c.state == RunState.PENDING
)
_STATES = (
    select(handler_runs.c.event_id, handler_runs.c.state, events.c.payment_id)
    .join(events, events.c.id == handler_runs.c.event_id)
    .where(
        among(events.c.payment_id, "payment_ids"),
        handler_runs.c.handler == bindparam("of"),
    )
    .order_by(handler_runs.c.event_id)
)
_POSTPONE = (
    update(handler_runs)
    .where(
        handler_runs.c.event_id == bindparam("run_event"), handler_runs.c.handler == bindparam("run_handler")
    )
    .values(sent_at=bindparam("sent"), due_at=bindparam("due"))
)
_PENDING = (
    select(handler_runs.c.event_id, handler_runs.c.handler, events.c.payment_id)
    .join(events, events.c.id == handler_runs.c.event_id)
    .where(among(handler_runs.c.event_id, "event_ids"), handler_runs.c.state == RunState.PENDING)
    .order_by(handler_runs.c.event_id)
)


class Pending(NamedTuple):
    """A run that is to be sent to its handler."""

    event_id: int
    handler: str
    payment_id: str | None


def add(
    connection: Connection,
    runs: Collection[tuple[int, str]],
    state: RunState = RunState.PENDING,
) -> None:
    """Note runs, by event and handler, that begin now or are over; one that is there stays as it is."""
    now = datetime.now(UTC)
    rows: list[dict[str, object]] = [
        {
            "event_id": event_id,
            "handler": handler,
            "state": state,
            "sent_at": now,
            "due_at": now + DEADLINE,
            "finished_at": None if state is RunState.PENDING else now,
        }
        for event_id, handler in runs
    ]
    insert_missing(connection, handler_runs, rows)


def pending(connection: Connection, event_ids: Collection[int]) -> list[Pending]:
    """Return the runs of these events that are to be sent."""
    rows = connection.execute(_PENDING, {"event_ids": list(event_ids)}) if event_ids else ()
    return [Pending(*row) for row in rows]


def states(connection: Connection, payment_ids: Collection[str], handler: str) -> dict[int, RunState]:
    """Return how far a handler has come with each event of these payments that goes to it."""
    rows = connection.execute(_STATES, {"payment_ids": list(payment_ids), "of": handler})
    return {row.event_id: RunState(row.state) for row in rows}


def concluded(connection: Connection, payment_ids: Collection[str], handler: str) -> dict[str, list[int]]:
    """Return, by payment, the events with which a handler is through, well or not."""
    found: dict[str, list[int]] = {}
    for row in connection.execute(_STATES, {"payment_ids": list(payment_ids), "of": handler}):
        if row.state != RunState.PENDING:
            found.setdefault(row.payment_id, []).append(row.event_id)
    return found


def begin(connection: Connection, event_ids: Collection[int], handler: str) -> list[int]:
    """Count a beginning of what is pending; return these events. What was cut off too often is given up."""
    now = datetime.now(UTC)
    of = _of(event_ids, handler)
    connection.execute(_BEGIN, {**of, "sent_at": now, "due_at": now + DEADLINE})
    begun = connection.execute(_BEGUN, of).all()
    error = RunCutOff(
        f"It began {MOST_BEGINNINGS} times and each time ended its worker or hit the time limit."
    )
    cut_off = [run.event_id for run in begun if run.starts > MOST_BEGINNINGS]
    give_up(connection, cut_off, handler, error, attempts=MOST_BEGINNINGS)
    return [run.event_id for run in begun if run.starts <= MOST_BEGINNINGS]


def forget_beginnings(connection: Connection, event_ids: Collection[int], handler: str) -> None:
    """Note that runs ended with an error that will be tried again: they did not end their worker."""
    connection.execute(update(handler_runs).where(*_OF).values(starts=0), _of(event_ids, handler))


def finish(connection: Connection, event_ids: Collection[int], handler: str) -> None:
    """Note that the handler is through with these events; a dead letter they had is done with.

    Those that an operator has discarded stay so.
    """
    if event_ids:
        dead_letters.remove(connection, _conclude(connection, event_ids, handler, RunState.DONE), handler)


def give_up(
    connection: Connection, event_ids: Collection[int], handler: str, error: Exception, *, attempts: int
) -> None:
    """Make runs dead, each with a letter that says why.

    What is done stays so, for a copy may fail at it; and so does what an operator has discarded.
    """
    if not event_ids:
        return
    if failing := connection.execute(_FAILING, _of(event_ids, handler)).scalars().all():
        dead_letters.write(connection, failing, handler, error, attempts=attempts)
        _conclude(connection, failing, handler, RunState.DEAD)


def discard(connection: Connection, event_id: int, handler: str) -> None:
    """Give a run up for an operator; its letter stays to be read."""
    _conclude(connection, [event_id], handler, RunState.DISCARDED)


def reopen(
    connection: Connection,
    runs: Collection[tuple[int, str]],
    states: Collection[RunState] = (RunState.DEAD, RunState.DISCARDED),
) -> None:
    """Make runs of these states pending again, by event and handler; recovery sends what nobody sends."""
    now = datetime.now(UTC)
    connection.execute(
        update(handler_runs)
        .where(
            tuple_(handler_runs.c.event_id, handler_runs.c.handler).in_(runs),
            handler_runs.c.state.in_(states),
        )
        .values(state=RunState.PENDING, sent_at=now, due_at=now + DEADLINE, starts=0, finished_at=None)
    )


def overdue(now: datetime, limit: int) -> Select[tuple[int, str, datetime, datetime]]:
    """Return the query for pending runs that are due, the longest first, and for nobody else meanwhile."""
    return _waiting(handler_runs.c.due_at < now, limit)


def misdated(now: datetime, limit: int) -> Select[tuple[int, str, datetime, datetime]]:
    """Return the query for pending runs that are due later than anything can be: the clock was put back."""
    return _waiting(handler_runs.c.due_at > now + LONGEST_WAIT + DEADLINE, limit)


def _waiting(when: ColumnElement[bool], limit: int) -> Select[tuple[int, str, datetime, datetime]]:
    # The state is a literal, because neither database uses a partial index for a parameter.
    state = literal(RunState.PENDING.value, literal_execute=True)
    return (
        select(handler_runs.c.event_id, handler_runs.c.handler, handler_runs.c.sent_at, handler_runs.c.due_at)
        .where(handler_runs.c.state == state, when)
        .order_by(handler_runs.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def postpone_overdue(connection: Connection, limit: int) -> list[int]:
    """Note that up to `limit` overdue runs are sent again now; return their events.

    Each time the wait doubles, so that a long backlog is not multiplied. Those that a clock which was put
    back has left in the future come last.
    """
    now = datetime.now(UTC)
    runs = connection.execute(overdue(now, limit)).all() or connection.execute(misdated(now, limit)).all()
    if runs:
        waits = [min(max(2 * (run.due_at - run.sent_at), DEADLINE), LONGEST_WAIT) for run in runs]
        rows = [
            {"run_event": run.event_id, "run_handler": run.handler, "sent": now, "due": now + wait}
            for run, wait in zip(runs, waits, strict=True)
        ]
        connection.execute(_POSTPONE, rows)
    return [run.event_id for run in runs]


def _of(event_ids: Collection[int], handler: str) -> dict[str, object]:
    return {"event_ids": list(event_ids), "of": handler}


def _conclude(
    connection: Connection, event_ids: Collection[int], handler: str, state: RunState
) -> Sequence[int]:
    values = {"state": state, "finished_at": datetime.now(UTC)}
    return connection.execute(_CONCLUDE, {**_of(event_ids, handler), **values}).scalars().all()
