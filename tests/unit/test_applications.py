"""Which of several applications on one broker a message belongs to."""

import pytest
from pydantic import SecretStr

from celeryconfig import APPLICATION_HEADER, SWEEP_TASK, application_marks
from tasks.worker.applications import is_foreign, is_ours


def _headers(*keys: str) -> dict[str, str]:
    return {APPLICATION_HEADER: ",".join(_marks(*keys))}


def _marks(*keys: str) -> tuple[str, ...]:
    return application_marks([SecretStr(key) for key in keys])


@pytest.mark.parametrize(
    ("sender", "worker", "is_taken"),
    [
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        # Each step of a rotation, whichever of the two processes takes it first.
        (["a"], ["b", "a"], True),
        (["b", "a"], ["a"], True),
        (["b", "a"], ["b"], True),
        (["b"], ["b", "a"], True),
        # A worker without a key cannot tell.
        (["a"], [], True),
        # A sender without one says nothing.
        ([], ["a"], True),
    ],
)
def test_any_key_of_a_rotation_makes_a_message_ours(
    sender: list[str], worker: list[str], *, is_taken: bool
) -> None:
    assert is_foreign(_headers(*sender), _marks(*worker)) is not is_taken


@pytest.mark.parametrize("headers", [{}, {APPLICATION_HEADER: None}, {APPLICATION_HEADER: 7}])
def test_what_says_nothing_is_taken_and_is_nobodys(headers: dict[str, object]) -> None:
    assert not is_foreign(headers, _marks("a"))
    assert not is_ours(headers, _marks("a"))


def test_a_sweep_is_anybodys() -> None:
    assert is_foreign({**_headers("a"), "task": "tasks.intake.store_events"}, _marks("b"))
    assert not is_foreign({**_headers("a"), "task": SWEEP_TASK}, _marks("b"))


def test_a_mark_is_short_and_tells_no_key() -> None:
    (mark,) = _marks("the-key-itself")
    assert len(mark) == 8
    assert mark not in "the-key-itself"
    assert is_ours(_headers("the-key-itself"), [mark])
