"""When what failed is tried again, and when no more."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.notifications.schedule import JITTER, is_over, next_try

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
HOUR = 3600


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(1, 5), (2, 30), (3, 120), (4, 600), (5, 1800), (6, HOUR), (7, 2 * HOUR), (8, 4 * HOUR), (40, 4 * HOUR)],
)
def test_the_waits(attempt: int, seconds: int) -> None:
    assert next_try(attempt, 0) == timedelta(seconds=seconds)
    assert next_try(attempt, 1) == timedelta(seconds=seconds * (1 + JITTER))


def test_an_answer_that_always_asks_for_a_second_gets_a_minute_in_the_end() -> None:
    assert next_try(8, 0, asked=1) == timedelta(seconds=1)
    assert next_try(9, 0, asked=1) == timedelta(seconds=60)


@given(st.integers(1, 8), st.floats(0, 1), st.floats(1, HOUR))
def test_it_waits_at_least_as_long_as_the_answer_asks(attempt: int, chance: float, asked: float) -> None:
    wait = next_try(attempt, chance, asked=asked).total_seconds()
    assert asked - 1e-6 <= wait <= min(asked * (1 + JITTER), HOUR) + 1e-6


def test_days_count_from_the_first_try() -> None:
    assert not is_over(NOW, NOW + timedelta(days=7, seconds=-1), 7)
    assert is_over(NOW, NOW + timedelta(days=7), 7)
    assert is_over(NOW, NOW + timedelta(hours=12), 0.5)
