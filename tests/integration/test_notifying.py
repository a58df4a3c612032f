"""Endpoints are told of every change, in order, however often that fails; by real calls."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine, select, update

from tasks.celery import Application
from tasks.errors import PermanentError
from tasks.notifications import drainer as drainers
from tasks.notifications import schedule, tellers
from tasks.notifications.drainer import GRACE, Drainer
from tasks.notifications.tellers import FunctionTeller
from tasks.notifications.turn import Terms, Turn, take_turn
from tasks.payments.change import GrantChange
from tasks.pipeline.bells import NOTIFY_TASK
from tasks.store import endpoints
from tasks.store import notifications as life
from tasks.store.clock import clock
from tasks.store.schema import endpoints as endpoint_rows
from tasks.store.schema import notifications
from tasks.store.states import EndpointState, NotificationState
from tests.integration.messages import taken
from tests.integration.notifying import OLD
from tests.integration.pipeline import delivery, run, take_in
from tests.services import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.long

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
OPENED, LOST = "Card Payment Chargeback Opened", "Card Payment Chargeback Lost"
ADDRESS = "https://shop.example"
TERMS = Terms(concurrency=20, give_up_days=7, longest_try_seconds=10, environment="test", address=ADDRESS)


class Shop:
    """A merchant's function, which notes what it has done, and fails as `fails` says."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.fails: Callable[[GrantChange], object] = lambda _: None
        self.fails_after: Callable[[GrantChange], object] = lambda _: None
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def hear(self, change: GrantChange) -> None:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self.fails(change)
            with self._lock:
                self.told.append((change.payment_id, change.version))
            self.fails_after(change)
        finally:
            with self._lock:
                self._at_once -= 1

    def versions(self, payment_id: str) -> list[int]:
        return [version for payment, version in self.told if payment == payment_id]


@pytest.fixture
def shop(engine: Engine) -> Shop:
    with engine.begin() as connection:
        endpoints.configure(connection, {"shop": ADDRESS}, NOW)
    return Shop()


def happen(engine: Engine, payment_id: str, *event_types: str) -> None:
    for event_type in event_types:
        run(engine, take_in(engine, delivery(payment_id, event_type)))


def drain(engine: Engine, shop: Shop, terms: Terms = TERMS) -> None:
    """Tell what is due until nothing is."""
    teller = FunctionTeller(shop.hear, terms.concurrency)
    drainer = Drainer("shop", teller, engine, terms, lambda: False)
    drainer.horizon = 0.2
    asyncio.run(drainer.drain())


def later(engine: Engine, passed: timedelta = timedelta(0)) -> None:
    """Let time pass until whatever waits for another try is due, and any probe."""
    n, e = notifications.c, endpoint_rows.c
    with engine.begin() as connection:
        connection.execute(update(notifications).where(n.due_at.is_not(None)).values(due_at=NOW))
        for row in connection.execute(select(n.id, n.first_tried_at).where(n.first_tried_at.is_not(None))):
            earlier = row.first_tried_at - passed
            connection.execute(update(notifications).where(n.id == row.id).values(first_tried_at=earlier))
        connection.execute(update(endpoint_rows).where(e.probe_at.is_not(None)).values(probe_at=NOW))


def states(engine: Engine) -> list[tuple[int, str]]:
    with engine.connect() as connection:
        query = select(notifications.c.version, notifications.c.state).order_by(notifications.c.id)
        return [(row.version, row.state) for row in connection.execute(query)]


def outcomes(engine: Engine) -> Counter[str | None]:
    with engine.connect() as connection:
        return Counter(connection.execute(select(notifications.c.last_outcome)).scalars())


def test_changes_of_a_payment_are_told_in_order(engine: Engine, shop: Shop) -> None:
    happen(engine, "a", "Settled", OPENED, LOST)
    happen(engine, "b", "Settled")
    drain(engine, shop)
    assert shop.versions("a") == [1, 2, 3]
    assert shop.versions("b") == [1]
    assert {state for _, state in states(engine)} == {"done"}


def test_what_fails_is_told_again_and_the_next_change_waits_for_it(engine: Engine, shop: Shop) -> None:
    shop.fails = _always(ConnectionError("The shop is away."))
    happen(engine, "a", "Settled", OPENED)
    drain(engine, shop)
    assert (shop.told, outcomes(engine)) == ([], {"transient": 1, None: 1})
    shop.fails = lambda _: None
    drain(engine, shop)
    assert shop.told == []
    later(engine)
    drain(engine, shop)
    assert shop.told == [("a", 1), ("a", 2)]


def test_what_was_done_before_the_error_is_told_again(engine: Engine, shop: Shop) -> None:
    shop.fails_after = _always(TimeoutError())
    happen(engine, "a", "Settled")
    drain(engine, shop)
    shop.fails_after = lambda _: None
    later(engine)
    drain(engine, shop)
    assert shop.told == [("a", 1), ("a", 1)]


def test_after_a_week_a_change_is_dead_and_the_next_one_goes_out(engine: Engine, shop: Shop) -> None:
    happen(engine, "a", "Settled", OPENED)

    def fails(change: GrantChange) -> None:
        if change.version == 1:
            raise ConnectionError

    shop.fails = fails
    drain(engine, shop)
    later(engine, timedelta(days=6))
    drain(engine, shop)
    assert states(engine) == [(1, "pending"), (2, "pending")]
    later(engine, timedelta(days=1))
    drain(engine, shop)
    assert states(engine) == [(1, "dead"), (2, "done")]


def test_a_function_may_give_a_change_up(engine: Engine, shop: Shop) -> None:
    shop.fails = _always(PermanentError("No such buyer."))
    happen(engine, "a", "Settled")
    drain(engine, shop)
    assert states(engine) == [(1, "dead")]


def test_the_next_change_comes_while_one_is_told(engine: Engine, shop: Shop) -> None:
    shop.fails = lambda change: happen(engine, "a", OPENED) if change.version == 1 else None
    happen(engine, "a", "Settled")
    drain(engine, shop)
    assert shop.told == [("a", 1), ("a", 2)]


def test_a_process_of_a_former_address_says_so_once_and_tells_nothing(engine: Engine, shop: Shop) -> None:
    happen(engine, "a", "Settled")
    stop = threading.Event()
    former = replace(TERMS, address="https://former.example")
    drainer = Drainer("shop", FunctionTeller(shop.hear, 20), engine, former, stop.is_set)
    with structlog.testing.capture_logs() as said, ThreadPoolExecutor() as threads:
        draining = threads.submit(lambda: asyncio.run(drainer.drain()))
        wait_until(lambda: said, what="it says so")
        drainer.ring()
        wait_until(lambda: not drainer.is_rung, what="it looks again")
        stop.set()
        draining.result()
    assert [line["event"] for line in said] == ["endpoint.former_address"]
    # Nor does it ring for itself.
    assert (shop.told, drainer.due_at) == ([], None)
    drain(engine, shop)
    assert shop.told == [("a", 1)]


def test_a_claim_that_nobody_ends_lapses(engine: Engine, shop: Shop) -> None:
    happen(engine, "a", "Settled", OPENED)
    with engine.begin() as connection:
        assert len(take_turn(connection, "shop", [], 20, TERMS).claimed) == 1
    drain(engine, shop)
    assert shop.told == []
    _lapse(engine)
    drain(engine, shop)
    assert shop.told == [("a", 1), ("a", 2)]


def test_a_worker_that_stops_waits_a_moment_for_what_is_in_flight(engine: Engine, shop: Shop) -> None:
    slow, begun, stop = threading.Event(), threading.Event(), threading.Event()

    def fails(change: GrantChange) -> None:
        begun.set()
        if change.payment_id == "slow":
            slow.wait(30)

    shop.fails = fails
    happen(engine, "slow", "Settled")
    happen(engine, "quick", "Settled")
    drainer = Drainer("shop", FunctionTeller(shop.hear, 20), engine, TERMS, stop.is_set)
    with ThreadPoolExecutor() as threads:
        draining = threads.submit(lambda: asyncio.run(drainer.drain()))
        begun.wait(30)
        wait_until(lambda: ("quick", 1) in shop.told, what="the quick one is told")
        stop.set()
        began = time.monotonic()
        draining.result()
    slow.set()
    assert time.monotonic() - began < GRACE + 2
    # What nobody knows is told again once its claim lapses, and nobody holds it against the shop.
    assert states(engine) == [(1, "pending"), (1, "done")]
    with engine.connect() as connection:
        assert connection.execute(select(endpoint_rows.c.failures)).scalar_one() == 0


def test_one_that_cannot_be_said_is_dead_and_holds_up_nobody(engine: Engine, shop: Shop) -> None:
    happen(engine, "odd", "Settled", OPENED)
    happen(engine, "fine", "Settled")
    with engine.begin() as connection:
        # No entry of the ledger has this number.
        odd = (notifications.c.payment_id == "odd") & (notifications.c.version == 1)
        connection.execute(update(notifications).where(odd).values(version=9))
    drain(engine, shop)
    assert shop.versions("fine") == [1]
    assert shop.versions("odd") == [2]
    assert sorted(states(engine)) == [(1, "done"), (2, "done"), (9, "dead")]


def test_a_database_that_is_away_for_a_moment_cuts_no_try_off(
    engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, free, failed = threading.Event(), threading.Event(), threading.Event()

    def slow(_change: GrantChange) -> None:
        begun.set()
        free.wait(30)

    shop.fails = slow
    happen(engine, "a", "Settled")
    drainer = Drainer("shop", FunctionTeller(shop.hear, 20), engine, TERMS, lambda: False)
    drainer.horizon = 0.2
    turn = drainer._turn  # noqa: SLF001  # where the database is

    def away(*arguments: Any) -> Turn:
        if begun.is_set() and not failed.is_set():
            failed.set()
            raise ConnectionError
        return turn(*arguments)

    monkeypatch.setattr(drainer, "_turn", away)
    with ThreadPoolExecutor() as threads:
        draining = threads.submit(lambda: asyncio.run(drainer.drain()))
        begun.wait(30)
        drainer.ring()
        failed.wait(30)
        free.set()
        draining.result()
    assert shop.told == [("a", 1)]
    assert states(engine) == [(1, "done")]


def test_at_the_end_of_its_life_a_drainer_lets_another_go_on(
    engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drainers, "LIFE", 0.5)
    free, handed = threading.Event(), threading.Event()
    shop.fails = lambda _: free.wait(30)
    happen(engine, "slow", "Settled")
    drainer = Drainer("shop", FunctionTeller(shop.hear, 20), engine, TERMS, lambda: False)
    drainer.hand_over = handed.set
    with ThreadPoolExecutor() as threads:
        draining = threads.submit(lambda: asyncio.run(drainer.drain()))
        # While its last try is still in flight.
        assert handed.wait(30)
        assert shop.told == []
        free.set()
        draining.result()
    assert shop.told == [("slow", 1)]


def test_a_late_success_counts_and_a_late_failure_does_not(engine: Engine, shop: Shop) -> None:  # noqa: ARG001  # it has to be listened
    happen(engine, "a", "Settled")
    happen(engine, "b", "Settled")
    with engine.begin() as connection:
        claimed = {each.payment_id: each for each, _ in take_turn(connection, "shop", [], 20, TERMS).claimed}
    _lapse(engine)
    with engine.begin() as connection:
        take_turn(connection, "shop", [], 20, TERMS)
    late = [
        life.Ending(claimed["a"], NotificationState.DONE, None, "done", 200, None),
        life.Ending(claimed["b"], NotificationState.DEAD, None, "refused", 400, "no"),
    ]
    with engine.begin() as connection:
        life.end(connection, late, NOW)
    assert states(engine) == [(1, "done"), (1, "pending")]


def test_no_more_are_told_at_once_than_allowed_however_many_drain(engine: Engine, shop: Shop) -> None:
    for number in range(30):
        happen(engine, f"pay-{number}", "Settled")
    shop.fails = lambda _: threading.Event().wait(0.02)
    terms = replace(TERMS, concurrency=3)
    with ThreadPoolExecutor() as threads:
        for each in [threads.submit(drain, engine, shop, terms) for _ in range(4)]:
            each.result()
    assert len(shop.told) == 30
    assert shop.most_at_once == 3


def test_a_shop_that_is_away_is_held_back_and_hears_everything_after(engine: Engine, shop: Shop) -> None:
    for number in range(40):
        happen(engine, f"pay-{number}", "Settled")
    calls = []

    def away(change: GrantChange) -> None:
        calls.append(change)
        raise ConnectionError

    shop.fails = away
    drain(engine, shop)
    # Those that were in flight when the tenth failed, and nobody else.
    assert 10 <= len(calls) <= 40
    calls.clear()
    for _ in range(3):
        later(engine)
        drain(engine, shop)
    assert len(calls) == 3
    shop.fails = lambda _: None
    _probe_now(engine)
    # Also what has failed by then and would wait for hours.
    drain(engine, shop)
    assert Counter(shop.told) == Counter((f"pay-{number}", 1) for number in range(40))
    with engine.connect() as connection:
        assert connection.execute(select(endpoint_rows.c.state)).scalar_one() == EndpointState.OPEN


def test_a_paused_endpoint_is_told_nothing_and_loses_nothing(engine: Engine, shop: Shop) -> None:
    with engine.begin() as connection:
        endpoints.save(connection, "shop", {"state": EndpointState.PAUSED, "paused_by": "ada"})
    happen(engine, "a", "Settled", OPENED)
    drain(engine, shop)
    assert shop.told == []
    with engine.begin() as connection:
        endpoints.reset(connection, "shop", NOW)
    drain(engine, shop)
    assert shop.told == [("a", 1), ("a", 2)]


def test_a_function_that_hangs_holds_up_its_own_endpoint_alone(
    engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tellers.FunctionTeller, "limit", 0.1)
    free = threading.Event()
    shop.fails = lambda _: free.wait(30)
    for number in range(3):
        happen(engine, f"pay-{number}", "Settled")
    terms = replace(TERMS, concurrency=2)
    try:
        drain(engine, shop, terms)
        assert shop.most_at_once == 2
        assert outcomes(engine) == {"transient": 3}
    finally:
        free.set()


def test_whatever_fails_the_order_holds_and_all_is_told(engine: Engine, shop: Shop) -> None:
    chance = random.Random(7)
    names = [f"pay-{number}" for number in range(12)]

    def fails(_change: GrantChange) -> None:
        if chance.random() < 0.3:
            raise ConnectionError

    shop.fails, shop.fails_after = fails, fails
    for event_type in ("Settled", OPENED, LOST):
        for name in names:
            happen(engine, name, event_type)
        with ThreadPoolExecutor() as threads:
            for each in [threads.submit(drain, engine, shop) for _ in range(2)]:
                each.result()
        later(engine)
    shop.fails = shop.fails_after = lambda _: None
    for _ in range(20):
        drain(engine, shop)
        later(engine)
    for name in names:
        heard = shop.versions(name)
        # Told again, perhaps; never an older one after a newer one.
        assert sorted(heard) == heard
        assert set(heard) == {1, 2, 3}


def _always(error: Exception) -> Callable[[GrantChange], None]:
    def fails(_change: GrantChange) -> None:
        raise error

    return fails


def _probe_now(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(endpoint_rows).values(probe_at=NOW))


def _lapse(engine: Engine) -> None:
    with engine.begin() as connection:
        claimed = notifications.c.claimed_until.is_not(None)
        connection.execute(update(notifications).where(claimed).values(due_at=NOW, claimed_until=NOW))


@pytest.fixture
def _server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NOTIFY_SECRET", OLD)


@pytest.mark.usefixtures("_server_that_is_away")
def test_a_bell_rings_when_the_next_try_is_due(
    engine: Engine, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_WAITS", (2,))
    monkeypatch.setattr(Drainer, "horizon", 0.2)
    app.prepare()
    happen(engine, "pay", "Settled")
    app.tasks[NOTIFY_TASK](["default"])
    assert outcomes(engine) == {"transient": 1}
    assert wait_until(lambda: taken(app), seconds=10, what="the bell is heard") == [
        (NOTIFY_TASK, ["default"])
    ]
    with engine.connect() as connection:
        assert endpoints.due(connection, clock(connection)) == ["default"]
