"""Every error that PostgreSQL and the brokers have was looked at, and its kind decided for a reason."""

import amqp.exceptions
import kombu.exceptions
import psycopg.errors
import pytest
import redis.exceptions

from tasks.worker.broker_errors import BROKER_ERRORS, REDIS_WORDS
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind
from tasks.worker.sqlstates import SQLSTATES, decision

#: Every state of PostgreSQL's appendix A that the driver knows: its releases follow the server's.
STATES = {
    state
    for each in vars(psycopg.errors).values()
    if isinstance(each, type) and isinstance(state := getattr(each, "sqlstate", None), str)
}
BROKERS: set[type[Exception]] = {
    each
    for module in (amqp.exceptions, kombu.exceptions, redis.exceptions)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, Exception) and not issubclass(each, Warning)
}


def test_every_class_of_postgresql_is_decided() -> None:
    assert len(STATES) > 250
    assert {state[:2] for state in STATES} == {key for key in SQLSTATES if len(key) == 2}


def test_a_state_stands_in_the_table_only_where_it_means_something_else_than_its_class() -> None:
    for state in (key for key in SQLSTATES if len(key) == 5):
        assert state in STATES
        assert SQLSTATES[state] != SQLSTATES[state[:2]]


@pytest.mark.parametrize("state", sorted(STATES))
def test_an_error_is_of_its_states_kind_and_says_why(state: str) -> None:
    decided = decision(state)
    assert decided
    assert decided.kind in {Kind.TRANSIENT, Kind.UNEXPECTED}
    assert len(decided.reason) > 10
    assert kind(psycopg.errors.lookup(state)()) is decided.kind


def test_a_state_that_nobody_knows_is_judged_by_its_exception() -> None:
    assert decision("ZZ999") is None


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        # What an operator or time mends, and no event is to blame for.
        ("08006 0A000 25006 26000 28P01 3D000 3F000 40001 42501 42P01 42P05 53100 53300", Kind.TRANSIENT),
        ("55P03 57014 57P01 58030 XX001", Kind.TRANSIENT),
        # What the event's own values may have caused must not be tried for ever.
        ("22001 22003 22021 22P02 22P05 23502 23505 23514 42601 54000 P0001 XX000", Kind.UNEXPECTED),
    ],
)
def test_what_blames_no_event_waits_and_what_may_does_not_wait_for_ever(states: str, expected: Kind) -> None:
    for state in states.split():
        assert kind(psycopg.errors.lookup(state)()) is expected, state


def test_every_error_of_the_brokers_libraries_is_decided_by_name() -> None:
    # kombu passes on some of the language's own.
    assert set(BROKER_ERRORS) == BROKERS
    assert all(len(decided.reason) > 10 for decided in BROKER_ERRORS.values())


@pytest.mark.parametrize("error", sorted(BROKERS, key=repr))
def test_an_error_of_a_broker_is_of_its_kind(error: type[Exception]) -> None:
    made = error.__new__(error)
    assert kind(made) is BROKER_ERRORS[error].kind


@pytest.mark.parametrize("word", REDIS_WORDS)
def test_what_redis_says_in_a_word_is_waited_out(word: str) -> None:
    assert kind(redis.exceptions.ResponseError(f"{word} and more")) is Kind.TRANSIENT
    assert kind(redis.exceptions.ResponseError(f"ERR {word}")) is Kind.UNEXPECTED
