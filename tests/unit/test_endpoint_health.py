"""How an endpoint is protected: held back after failures, opened step by step, paused."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.notifications.health import FAILURES, FIRST_PROBE, PROBE_LIMIT, Health
from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.store.states import EndpointState

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
OPEN = Health(state=EndpointState.OPEN, since=NOW)
ALL = 20
DONE = Outcome(OutcomeKind.DONE, 200)
DOWN = Outcome(OutcomeKind.TRANSIENT, 500, "500: out of order")
NO = Outcome(OutcomeKind.REFUSED, 400, "400: no")
GONE = Outcome(OutcomeKind.GONE, 410, "410: gone")


def after(health: Health, *outcomes: Outcome, payments: Sequence[str] = "abc", at: datetime = NOW) -> Health:
    for number, outcome in enumerate(outcomes):
        health = health.after(outcome, payments[number % len(payments)], at, ALL)
    return health


HELD = after(OPEN, *[DOWN] * FAILURES)


def test_ten_failures_in_a_row_hold_it_back() -> None:
    assert after(OPEN, *[DOWN] * (FAILURES - 1)).state is EndpointState.OPEN
    assert HELD.state is EndpointState.HELD
    assert HELD.reason == "10 failures in a row: 500"
    assert HELD.allowed(NOW, ALL) == 0


@pytest.mark.parametrize("answer", [DONE, NO])
def test_any_answer_ends_the_row(answer: Outcome) -> None:
    health = after(OPEN, *[DOWN] * 9, answer, *[DOWN] * 9)
    assert (health.state, health.failures) == (EndpointState.OPEN, 9)


def test_a_payment_or_two_that_fail_hold_nothing_back() -> None:
    assert after(OPEN, *[DOWN] * 50, payments="ab").allowed(NOW, ALL) == ALL


def test_one_probe_after_half_a_minute_and_then_more_and_more() -> None:
    probed = NOW + timedelta(seconds=FIRST_PROBE)
    assert HELD.allowed(probed - timedelta(seconds=1), ALL) == 0
    assert HELD.allowed(probed, ALL) == 1
    allowed = []
    health = HELD
    while health.state is EndpointState.HELD:
        # As many as are allowed go out at once, and all of them succeed.
        health = after(health, *[DONE] * health.allowed(probed, ALL), at=probed)
        allowed.append(health.allowed(probed, ALL))
    assert allowed == [1, 2, 4, 8, 16, ALL]
    assert health == replace(
        OPEN, since=probed, last_success_at=probed, last_failure_at=NOW, last_error="500"
    )


def test_a_probe_that_fails_doubles_the_wait_up_to_five_minutes() -> None:
    health, waits, now = HELD, [], NOW
    for _ in range(6):
        assert health.probe_at is not None
        waits.append((health.probe_at - now).total_seconds())
        now = health.probe_at
        health = after(health, DOWN, at=now)
    assert waits == [30, 60, 120, 240, 300, 300]


def test_of_many_that_were_in_flight_the_first_failure_counts() -> None:
    assert after(HELD, *[DOWN] * 19).probe_at == HELD.probe_at


def test_a_probe_waits_as_long_as_the_answer_asks() -> None:
    health = after(OPEN, *[replace(DOWN, retry_after=600.0)] * FAILURES)
    assert health.probe_at == NOW + timedelta(seconds=600)


def test_one_that_fails_now_and_then_is_told_all_at_once_again() -> None:
    for seed in range(100):
        chance, health, now = Random(seed), HELD, NOW
        while health.state is EndpointState.HELD:
            if not health.allowed(now, ALL):
                assert health.probe_at is not None
                now = health.probe_at
            health = after(health, DOWN if chance.random() < 0.3 else DONE, at=now)
        assert now - NOW < timedelta(hours=1), seed


def test_one_that_dies_again_is_held_back_by_as_many_failures_as_were_allowed() -> None:
    health = after(HELD, *[DONE] * 7)
    assert health.allowed(NOW, ALL) == 7
    assert after(health, *[DOWN] * 6).allowed(NOW, ALL) == 1
    health = after(health, *[DOWN] * 7)
    assert health.allowed(NOW, ALL) == 0
    assert health.probe_at == NOW + timedelta(seconds=2 * FIRST_PROBE)


def test_gone_pauses_it_until_a_person_resumes_it() -> None:
    health = after(OPEN, GONE)
    assert (health.state, health.paused_by, health.reason) == (EndpointState.PAUSED, None, "410")
    assert after(health, DONE, NO, *[DOWN] * 50).allowed(NOW + timedelta(days=9), ALL) == 0


outcomes = st.sampled_from([DONE, DOWN, NO, GONE, replace(DOWN, retry_after=3600.0)])
steps = st.lists(st.tuples(outcomes, st.sampled_from("abcd"), st.integers(0, 400)), max_size=60)


@given(steps, st.integers(1, 30))
def test_what_a_person_pauses_nothing_else_ends(
    steps: list[tuple[Outcome, str, int]], concurrency: int
) -> None:
    health, now = replace(OPEN, state=EndpointState.PAUSED, paused_by="ada", reason="moving"), NOW
    for outcome, payment, seconds in steps:
        now += timedelta(seconds=seconds)
        health = health.after(outcome, payment, now, concurrency)
        assert (health.state, health.paused_by, health.reason) == (EndpointState.PAUSED, "ada", "moving")
        assert health.allowed(now, concurrency) == 0


@given(steps, st.integers(1, 30))
def test_it_is_never_told_more_at_once_than_allowed_nor_nothing_for_long(
    steps: list[tuple[Outcome, str, int]], concurrency: int
) -> None:
    health, now = OPEN, NOW
    for outcome, payment, seconds in steps:
        now += timedelta(seconds=seconds)
        health = health.after(outcome, payment, now, concurrency)
        assert 0 <= health.allowed(now, concurrency) <= concurrency
        # However it has failed, it is tried again; but for a pause.
        later = now + timedelta(seconds=max(PROBE_LIMIT, 3600))
        assert (health.allowed(later, concurrency) == 0) == (health.state is EndpointState.PAUSED)
