"""Recovery: what is overdue is sent again, and a sweep costs the same however much is finished."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, text, update

from celeryconfig import INTAKE_TASK, SWEEP_INTERVAL, SWEEP_TASK, beat_schedule
from tasks.celery import Application
from tasks.pipeline.dispatch import FULFILMENT_TASK
from tasks.pipeline.recovery import resend_overdue
from tasks.store import sweeps
from tasks.store.runs import DEADLINE, misdated, overdue
from tasks.store.schema import dead_letters, events, handler_runs
from tasks.store.schema import sweeps as sweep_rows
from tasks.store.sweeps import RECOVERY
from tests.integration import messages
from tests.integration.messages import taken
from tests.waiting import PATIENCE

NOW = datetime.now(UTC)
INTERVAL = timedelta(seconds=15)


def sweep(app: Application) -> list[tuple[str, Any]]:
    """Sweep once; return the messages that were sent."""
    messages.sweep(app)
    return taken(app)


def store(engine: Engine, numbers: range, handler: str = "fulfilment", **run: Any) -> None:
    with engine.begin() as connection:
        connection.execute(
            events.insert(),
            [
                {
                    "id": number,
                    "key": f"key-{number}",
                    "event_type": "Settled",
                    "payment_id": f"pay-{number}",
                    "created": "",
                    "received_at": NOW,
                    "body": "{}",
                }
                for number in numbers
            ],
        )
        values = {"state": "pending", "sent_at": NOW, "due_at": NOW - timedelta(seconds=1), **run}
        connection.execute(
            handler_runs.insert(),
            [{"event_id": number, "handler": handler, **values} for number in numbers],
        )


def wait_of(engine: Engine) -> timedelta:
    with engine.connect() as connection:
        run = connection.execute(select(handler_runs.c.sent_at, handler_runs.c.due_at)).one()
    waits: timedelta = run.due_at - run.sent_at
    return waits


def test_what_is_overdue_is_sent_again_and_nothing_else(engine: Engine, app: Application) -> None:
    store(engine, range(1, 3))
    store(engine, range(3, 5), due_at=NOW + timedelta(hours=1))
    store(engine, range(5, 7), state="done")
    store(engine, range(7, 9), state="discarded")
    assert sweep(app) == [(FULFILMENT_TASK, ["pay-1", "pay-2"])]
    assert sweep(app) == []


def test_a_replay_to_intake_that_was_not_sent_is_sent(engine: Engine, app: Application) -> None:
    store(engine, range(1, 2), handler="intake")
    ((task, deliveries),) = sweep(app)
    assert (task, [each["body"] for each in deliveries]) == (INTAKE_TASK, ["{}"])


def test_overlapping_sweeps_send_each_run_once(engine: Engine, app: Application) -> None:
    store(engine, range(1, 1201))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: resend_overdue(app, engine), range(4)))
    payments = [payment for _, payment_ids in taken(app) for payment in payment_ids]
    assert len(payments) == len(set(payments)) == 1200


def test_a_backlog_is_not_multiplied_by_every_sweep(engine: Engine, app: Application) -> None:
    store(engine, range(1, 2), sent_at=NOW - DEADLINE)
    waits = []
    for _ in range(8):
        assert len(sweep(app)) == 1
        waits.append(wait_of(engine))
        with engine.begin() as connection:
            past = datetime.now(UTC) - timedelta(seconds=1)
            connection.execute(update(handler_runs).values(sent_at=past - waits[-1], due_at=past))
    assert waits == sorted(waits)
    assert waits[1] >= 1.9 * waits[0]
    assert waits[-1] == timedelta(hours=1)


def test_a_run_of_a_function_that_is_gone_is_a_dead_letter_and_stops_no_sweep(
    engine: Engine, app: Application
) -> None:
    store(engine, range(1, 2), handler="taken_out")
    store(engine, range(2, 3))
    assert sweep(app) == [(FULFILMENT_TASK, ["pay-2"])]
    with engine.connect() as connection:
        letter = connection.execute(select(dead_letters)).one()
    assert (letter.event_id, letter.error) == (1, "HandlerMissing")
    assert "taken_out" in letter.message


@pytest.mark.parametrize("query_of", [overdue, misdated])
def test_a_sweep_reads_the_index_of_pending_runs_alone(engine: Engine, query_of: Any) -> None:
    store(engine, range(1, 5001), state="done")
    store(engine, range(5001, 5011))
    # As a prepared statement gets it in the end: a plan for any parameters.
    query = str(query_of(NOW, 500).compile(engine, compile_kwargs={"render_postcompile": True}))
    with engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        if engine.dialect.name == "postgresql":
            numbers = count(1)
            numbered = re.sub(r"%\(\w+\)s", lambda _: f"${next(numbers)}", query)
            connection.execute(text("SET plan_cache_mode = force_generic_plan"))
            connection.execute(text(f"PREPARE sweep AS {numbered}"))
            plan = connection.execute(text("EXPLAIN EXECUTE sweep (now(), 500)")).all()
        else:
            values = (NOW.isoformat(), 500, 0)
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
    steps = "\n".join(str(step) for step in plan)
    assert re.search(r"(Index Scan using|USING INDEX) ix_handler_runs_pending", steps), steps


# ---------------------------------------------------------------- sweeps that are one too many


def test_of_sweeps_that_waited_for_the_worker_one_does_the_work(engine: Engine, app: Application) -> None:
    store(engine, range(1, 2))
    messages.sweep(app)
    store(engine, range(2, 3))
    for _ in range(100):
        app.tasks[SWEEP_TASK]()
    assert taken(app) == [(FULFILMENT_TASK, ["pay-1"])]


def test_the_next_sweep_of_beat_does_its_work(engine: Engine) -> None:
    with engine.begin() as connection:
        assert sweeps.begin(connection, RECOVERY, INTERVAL)
        assert sweeps.begin(connection, "another", INTERVAL)
        assert not sweeps.begin(connection, RECOVERY, INTERVAL)
        put_back(connection, INTERVAL + timedelta(seconds=1))
        assert sweeps.begin(connection, RECOVERY, INTERVAL)


def test_a_clock_that_was_put_back_a_day_stops_no_sweep(engine: Engine) -> None:
    with engine.begin() as connection:
        sweeps.begin(connection, RECOVERY, INTERVAL)
        put_back(connection, -timedelta(days=1))
        assert sweeps.begin(connection, RECOVERY, INTERVAL)
        assert not sweeps.begin(connection, RECOVERY, INTERVAL)


def test_of_sweeps_that_begin_at_once_one_does_the_work(engine: Engine) -> None:
    ready = threading.Barrier(8)

    def begin(_turn: int) -> bool:
        ready.wait(PATIENCE)
        with engine.begin() as connection:
            return sweeps.begin(connection, RECOVERY, INTERVAL)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(begin, range(8))) == [False] * 7 + [True]


def test_what_a_clock_that_was_put_back_has_left_in_the_future_is_sent(
    engine: Engine, app: Application
) -> None:
    tomorrow = NOW + timedelta(days=1)
    store(engine, range(1, 2), sent_at=tomorrow, due_at=tomorrow + DEADLINE)
    store(engine, range(2, 3))
    assert sweep(app) == [(FULFILMENT_TASK, ["pay-2"]), (FULFILMENT_TASK, ["pay-1"])]
    assert sweep(app) == []


def test_nothing_throws_a_sweep_away_that_waits() -> None:
    (sweeping,) = beat_schedule.values()
    assert sweeping == {"task": SWEEP_TASK, "schedule": SWEEP_INTERVAL}


def put_back(connection: Connection, by: timedelta) -> None:
    began = sweep_rows.c.began_at
    (began_at,) = connection.execute(select(began).where(sweep_rows.c.name == RECOVERY)).scalars()
    connection.execute(update(sweep_rows).values(began_at=began_at - by))
