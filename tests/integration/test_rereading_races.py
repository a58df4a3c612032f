"""Events are read anew at the moment when what Coinflow sent goes: by its age, or with its buyer."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count as count_from
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from tasks.payments.facts import VERSION
from tasks.pipeline.rereading import reread
from tasks.store import retention
from tasks.store.actions import Operator
from tasks.store.erasure import NotErasable, erase
from tasks.store.schema import dead_letters, events, grants, handler_runs, ledger_entries, payments
from tests.integration.pipeline import count, delivery, run, take_in
from tests.integration.races import interrupted, on_postgres

pytestmark = pytest.mark.long

ADA = Operator("ada", "asked for")
MINE = ["mine"]
OLD = "2025-01-01T12:00:00+00:00"
Step = Callable[[Engine, str], None]


def come(engine: Engine, buyer: str, *merchant_ids: str) -> set[str]:
    named = dict.fromkeys(("data__customerId", "data__rawCustomerId"), buyer)
    came = delivery(f"of {buyer}", data__merchantId="mine", **named) | {"received_at": OLD}
    return take_in(engine, came, merchant_ids=merchant_ids)


def foreign(engine: Engine, buyer: str) -> None:
    """Leave an event as a worker that was told another merchant's id has left it."""
    come(engine, buyer, "misspelt")


def of_another_version(engine: Engine, buyer: str) -> None:
    """Leave an event that is fulfilled as a former release would have."""
    run(engine, come(engine, buyer))
    with engine.begin() as connection:
        former = {"facts_version": VERSION - 1, "facts": None}
        connection.execute(update(events).where(events.c.buyer == buyer).values(former))


def read_anew(engine: Engine, _buyer: str) -> None:
    for batch in reread(engine, ADA, MINE):
        unread = batch.work.unread.values()
        run(engine, {*batch.work.payment_ids, *take_in(engine, *unread, merchant_ids=MINE)})


def prune(engine: Engine, _buyer: str) -> None:
    with engine.begin() as connection:
        retention.prune(connection, datetime.now(UTC), None)


def forget(engine: Engine, buyer: str) -> None:
    try:
        with engine.begin() as connection:
            erase(connection, ADA, buyer)
    except NotErasable:
        return


def names(engine: Engine, payment_id: str) -> set[str]:
    """Return whom an event, its payment and what was granted name, each alone where all is well."""
    asked: list[Any] = [
        select(events.c.buyer).where(events.c.payment_id == payment_id),
        select(payments.c.wallet).where(payments.c.id == payment_id),
        select(grants.c.wallet).where(grants.c.payment_id == payment_id),
    ]
    with engine.connect() as connection:
        return {name for query in asked for name in connection.scalars(query)}


@on_postgres
@pytest.mark.parametrize("left", [foreign, of_another_version])
@pytest.mark.parametrize(
    ("held", "other"),
    [(read_anew, prune), (prune, read_anew), (read_anew, forget), (forget, read_anew)],
)
def test_what_goes_is_not_read_and_what_is_read_does_not_go(
    engine: Engine, left: Step, held: Step, other: Step
) -> None:
    for number in count_from():
        buyer, payment_id = f"buyer-{number}", f"of buyer-{number}"
        left(engine, buyer)
        listened = engine.execution_options()

        def interrupt(buyer: str = buyer) -> None:
            other(engine, buyer)

        with interrupted(engine, listened, number, interrupt) as gone:
            held(listened, buyer)
        if not gone:
            break
        gone[0].result()
        with engine.connect() as connection:
            (event,) = connection.execute(select(events).where(events.c.payment_id == payment_id))
            pending = select(handler_runs.c.state).where(handler_runs.c.state == "pending")
            assert connection.scalars(pending).all() == []
        assert count(engine, dead_letters) == 0
        if forget in {held, other}:
            assert bool(event.body) == (buyer == event.buyer) == (buyer in event.facts)
        assert names(engine, payment_id) == {event.buyer}
        before = count(engine, ledger_entries)
        run(engine, [payment_id] if event.set_aside is None else [])
        assert count(engine, ledger_entries) == before
    assert number > 1
