"""The retry policy: whether a task that failed is run again, when, and where it waits."""

import psycopg
import pytest
import redis.exceptions
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import PriceMismatch
from tasks.worker.retries import (
    BACKOFF_LIMIT,
    HELD_LIMIT,
    HOLD_LIMIT,
    UNEXPECTED_TRIES,
    Attempt,
    GiveUp,
    RetryIn,
    backoff,
    next_step,
)


def retry(error: Exception, attempt: Attempt, *, in_queue: bool = False) -> RetryIn:
    step = next_step(error, attempt, in_queue=in_queue)
    assert isinstance(step, RetryIn)
    return step


def test_the_wait_grows_to_its_limit_with_full_jitter() -> None:
    for tries in (0, 1, 5, 10, 1000):
        waits = [backoff(tries) for _ in range(300)]
        longest = min(2**tries, BACKOFF_LIMIT)
        assert 0 <= min(waits) <= longest / 4
        assert longest * 3 / 4 <= max(waits) <= longest


@given(
    retries=st.integers(0, 10**6), tries=st.integers(0, UNEXPECTED_TRIES), held_for=st.floats(0, HOLD_LIMIT)
)
def test_an_outage_is_waited_out_without_end(retries: int, tries: int, held_for: float) -> None:
    attempt = Attempt(tries, retries, held_for)
    held = retry(ConnectionError(), attempt)
    assert (held.tries, held.in_queue) == (tries, False)
    sent = retry(ConnectionError(), attempt, in_queue=True)
    assert (sent.tries, sent.in_queue) == (tries, True)


@pytest.mark.parametrize("in_queue", [True, False])
def test_what_nobody_foresaw_has_its_tries_however_many_outages_came_before(*, in_queue: bool) -> None:
    tries = 0
    for number in range(UNEXPECTED_TRIES):
        tries = retry(ValueError(), Attempt(tries, 50 + number), in_queue=in_queue).tries
        tries = retry(ConnectionError(), Attempt(tries, 50), in_queue=in_queue).tries
    assert next_step(ValueError(), Attempt(tries, 60), in_queue=in_queue) == GiveUp()


def test_what_is_held_waits_longer_each_time_up_to_a_limit() -> None:
    for waited, longest in ((0, 1), (4, 4), (HOLD_LIMIT - 1, HELD_LIMIT)):
        waits = [retry(ConnectionError(), Attempt(held_for=waited)).seconds for _ in range(100)]
        assert all(longest / 2 <= wait <= longest for wait in waits)


@pytest.mark.parametrize("error", [ConnectionError(), ValueError()])
def test_what_was_held_for_long_goes_to_the_end_of_its_queue(error: Exception) -> None:
    step = retry(error, Attempt(held_for=HOLD_LIMIT + 1))
    assert (step.seconds, step.in_queue) == (0, True)


@pytest.mark.parametrize("in_queue", [True, False])
def test_a_permanent_error_is_not_tried_again(*, in_queue: bool) -> None:
    assert next_step(PriceMismatch(), Attempt(), in_queue=in_queue) == GiveUp()


@pytest.mark.parametrize(
    "error", [psycopg.errors.UndefinedFunction(), redis.exceptions.LockNotOwnedError("not mine")]
)
def test_a_fault_of_a_merchants_code_has_its_tries_and_one_of_ours_waits(error: Exception) -> None:
    assert next_step(error, Attempt(tries=5, retries=5), in_queue=True) == GiveUp()
    assert isinstance(next_step(error, Attempt(tries=5)), RetryIn)
