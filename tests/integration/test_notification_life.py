"""Whatever is added, tried, heard late, replayed and discarded: a payment's changes are told in order."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, Row, select, update

from tasks.store import endpoints
from tasks.store import notification_order as order
from tasks.store import notifications as life
from tasks.store.clock import clock
from tasks.store.notifications import Claimed, Ending
from tasks.store.schema import notifications, payments
from tasks.store.states import NotificationState

pytestmark = pytest.mark.long

SHARED = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=100 if os.environ.get("CI") else 30,
)
CLAIM, RETRY = timedelta(seconds=30), timedelta(minutes=10)
MOST = 4
N = notifications.c
PENDING, DONE, DEAD = NotificationState.PENDING, NotificationState.DONE, NotificationState.DEAD
Step = tuple[Any, ...]
_numbers = count(1)


def pay(connection: Connection, *payment_ids: str) -> None:
    """Let there be payments."""
    row = {"decision": "granted", "updated_at": datetime.now(UTC)}
    connection.execute(payments.insert(), [{"id": each, **row} for each in payment_ids])


class Scene:
    """A payment, and an endpoint that is told of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        number = next(_numbers)
        self._payment_id, self._endpoint = f"pay-{number}", f"shop-{number}"
        self._version = 0
        #: Every try that has begun and of which nothing was heard yet; some are over by their claim.
        self.tries: list[Claimed] = []
        with engine.begin() as connection:
            endpoints.configure(connection, {self._endpoint: "https://shop.example"}, datetime.now(UTC))
            pay(connection, self._payment_id)

    def possible(self) -> list[Step]:
        """Return what may happen next."""
        with self._engine.begin() as connection:
            rows = self._rows(connection)
            now = clock(connection)
        steps: list[Step] = [("repair",)]
        if self._version < MOST:
            steps.append(("add",))
        if any(row.due_at and row.due_at <= now for row in rows):
            steps += [("claim",)] * 3
        if any(row.due_at or row.claimed_until for row in rows):
            steps += [("wait", CLAIM), ("wait", RETRY)]
        steps += [("end", each, state) for each in self.tries for state in (DONE, PENDING, DEAD)]
        steps += [("reopen", row) for row in rows]
        steps += [("discard", row) for row in rows if row.state == DEAD]
        return steps

    def take(self, step: Step) -> None:
        name, *arguments = step
        with self._engine.begin() as connection:
            getattr(self, f"_{name}")(connection, *arguments)
            self._check(connection)

    def finish(self) -> None:
        """Let all be told: nothing is left behind."""
        for _ in range(self._version + 1):
            for step in [("wait", RETRY), ("repair",), ("claim",)]:
                self.take(step)
            while self.tries:
                self.take(("end", self.tries[-1], DONE))
        with self._engine.begin() as connection:
            assert not [row for row in self._rows(connection) if row.state == PENDING]

    def row(self, version: int) -> Row[Any]:
        with self._engine.begin() as connection:
            return self._rows(connection)[version - 1]

    def _rows(self, connection: Connection) -> list[Row[Any]]:
        query = select(notifications).where(N.payment_id == self._payment_id)
        return list(connection.execute(query.order_by(N.version)))

    def _add(self, connection: Connection) -> None:
        self._version += 1
        order.hold(connection, [self._payment_id])
        life.add(connection, [(self._payment_id, self._version, self._endpoint)], datetime.now(UTC))

    def _claim(self, connection: Connection) -> None:
        pending = [row.version for row in self._rows(connection) if row.state == PENDING]
        claimed = life.claim(connection, self._endpoint, MOST, clock(connection), CLAIM)
        assert [each.version for each in claimed] in ([], pending[:1])
        self.tries += claimed

    def _end(self, connection: Connection, claimed: Claimed, state: NotificationState) -> None:
        before = self._rows(connection)[claimed.version - 1]
        now = clock(connection)
        due_at = now + RETRY if state is PENDING else None
        life.end(connection, [Ending(claimed, state, due_at, "any", None, None)], now)
        newer = self.tries[self.tries.index(claimed) + 1 :]
        if state is not DONE and any(each.id == claimed.id for each in newer):
            after = self._rows(connection)[claimed.version - 1]
            assert after == before, "A late word says nothing of the present try."
        self.tries.remove(claimed)

    def _reopen(self, connection: Connection, row: Row[Any]) -> None:
        order.hold(connection, [self._payment_id])
        life.reopen(connection, [row.id], [self._payment_id])
        (oldest, *_) = (each for each in self._rows(connection) if each.state == PENDING)
        if row.id == oldest.id and oldest.due_at and not oldest.claimed_until:
            assert oldest.due_at <= clock(connection), "It is to be tried now."

    def _discard(self, connection: Connection, row: Row[Any]) -> None:
        life.discard(connection, [row.id])

    def _repair(self, connection: Connection) -> None:
        now = clock(connection)
        is_lost = any(row.claimed_until and row.claimed_until <= now for row in self._rows(connection))
        missed = order.repair(connection, self._endpoint, order.told(connection)[self._endpoint], 2)
        assert is_lost or self._payment_id not in missed

    def _wait(self, connection: Connection, time: timedelta) -> None:
        """Let time pass: all that was noted was noted earlier."""
        names = ("due_at", "claimed_until", "first_tried_at", "last_tried_at", "created_at", "finished_at")
        self.tries = [each._replace(first_tried_at=each.first_tried_at - time) for each in self.tries]
        for row in self._rows(connection):
            noted = row._asdict()
            earlier = {name: noted[name] - time for name in names if noted[name]}
            connection.execute(update(notifications).where(N.id == row.id).values(earlier))

    def _check(self, connection: Connection) -> None:
        now = clock(connection)
        rows = self._rows(connection)
        told = [(row.version, row.state, row.due_at, row.claimed_until) for row in rows]
        pending = [row for row in rows if row.state == PENDING]
        claimable = [row for row in rows if row.due_at]
        assert len([row for row in rows if row.claimed_until and row.claimed_until > now]) <= 1, told
        # A later one that is being tried may end first; should its worker die, a sweep finds the other.
        is_claimed = any(row.claimed_until for row in pending)
        assert claimable == pending[:1] or (is_claimed and not claimable), told


@SHARED
@given(data=st.data())
def test_whatever_happens_the_oldest_change_alone_can_be_told_and_all_are(
    engine: Engine, data: st.DataObject
) -> None:
    scene = Scene(engine)
    for _ in range(data.draw(st.integers(5, 30))):
        scene.take(data.draw(st.sampled_from(scene.possible())))
    scene.finish()


def versions_due(engine: Engine) -> list[int]:
    with engine.begin() as connection:
        query = select(N.version).where(N.due_at.is_not(None)).order_by(N.version)
        return list(connection.execute(query).scalars())


def test_a_late_word_of_a_former_schedule_says_nothing_of_the_present_try(engine: Engine) -> None:
    scene = Scene(engine)
    for step in [("add",), ("claim",), ("wait", CLAIM), ("claim",)]:
        scene.take(step)
    late, second = scene.tries
    scene.take(("end", second, DEAD))
    scene.take(("reopen", scene.row(1)))
    scene.take(("claim",))
    before = scene.row(1)
    assert before.attempts == late.attempt
    scene.take(("end", late, PENDING))
    assert scene.row(1) == before


def test_one_that_is_replayed_while_a_later_one_is_tried_waits_and_was_not_missed(engine: Engine) -> None:
    scene = Scene(engine)
    for step in [("add",), ("add",), ("claim",)]:
        scene.take(step)
    scene.take(("end", scene.tries[0], DEAD))
    scene.take(("claim",))
    scene.take(("reopen", scene.row(1)))
    scene.take(("repair",))
    assert versions_due(engine) == []
    scene.take(("end", scene.tries[0], PENDING))
    assert versions_due(engine) == [1]


def repair(engine: Engine, most: int, endpoint: str = "shop") -> Sequence[str]:
    """Repair once, from where the last one ended."""
    with engine.begin() as connection:
        return order.repair(connection, endpoint, order.told(connection)[endpoint], most)


def lose(engine: Engine, *payment_ids: str, **values: Any) -> None:
    """Let changes of payments not be tried, though nothing goes before."""
    lost = update(notifications).where(N.payment_id.in_(payment_ids), N.version == 1)
    with engine.begin() as connection:
        connection.execute(lost.values({"due_at": None, **values}))


def wait_in_front(engine: Engine, count: int, *, at: datetime | None = None) -> list[str]:
    """Let two changes of so many payments wait, each written later than the last one unless `at` one time."""
    payment_ids = [f"front-{number:05}" for number in range(count)]
    began = datetime.now(UTC) - timedelta(days=1)
    with engine.begin() as connection:
        endpoints.configure(connection, {"shop": "https://shop.example"}, datetime.now(UTC))
        pay(connection, *payment_ids)
        for number, payment_id in enumerate(payment_ids):
            told = [(payment_id, version, "shop") for version in (1, 2)]
            life.add(connection, told, at or began + timedelta(seconds=number))
        pay(connection, "missed", "other")
        life.add(connection, [(each, 1, "shop") for each in ("missed", "other")], datetime.now(UTC))
    lose(engine, "missed")
    return payment_ids


@pytest.mark.parametrize("at", [None, datetime(2026, 9, 1, tzinfo=UTC)])
def test_what_was_missed_is_found_behind_all_that_waits(engine: Engine, at: datetime | None) -> None:
    wait_in_front(engine, 1_200, at=at)
    found = [repair(engine, 500) for _ in range(4)]
    assert sorted(found, key=len) == [[], [], [], ["missed"]]
    # It begins anew, and finds what was missed in front.
    lose(engine, "front-00003", "front-01199")
    found = [repair(engine, 500) for _ in range(4)]
    assert sorted(each for part in found for each in part) == ["front-00003", "front-01199"]


def test_more_than_one_repair_may_change_is_left_to_the_next_ones(engine: Engine) -> None:
    lost = wait_in_front(engine, 1_100)
    lose(engine, *lost)
    found = [each for _ in range(3) for each in repair(engine, 10_000)]
    assert sorted(found) == [*lost, "missed"]


def test_what_a_dead_worker_left_behind_is_found_at_once(engine: Engine) -> None:
    wait_in_front(engine, 1_200)
    lose(engine, "other", claimed_until=datetime.now(UTC) - timedelta(seconds=1))
    assert repair(engine, 10) == ["other"]


def test_each_endpoint_is_looked_at_for_itself(engine: Engine) -> None:
    names = {"away": "https://away.example", "shop": "https://shop.example"}
    payment_ids = [f"pay-{each}" for each in range(5)]
    with engine.begin() as connection:
        endpoints.configure(connection, names, datetime.now(UTC))
        pay(connection, *payment_ids, "missed")
        told = [(payment_id, version, "away") for payment_id in payment_ids for version in (1, 2)]
        life.add(connection, told, datetime.now(UTC))
        life.add(connection, [("missed", 1, "shop")], datetime.now(UTC))
    lose(engine, "missed")
    assert repair(engine, 2, "away") == []
    assert repair(engine, 2) == ["missed"]
    assert repair(engine, 2) == []
