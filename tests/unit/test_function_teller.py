"""A merchant's function that is told of changes: what becomes of what it raises."""

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tasks.notifications.outcome import OutcomeKind
from tasks.notifications.tellers import FunctionTeller
from tasks.payments.change import GrantChange, GrantLine, Notification
from tasks.payments.states import GrantStatus
from tests.waiting import wait_until

LINE = GrantLine(wallet="alice", item="sword", quantity=1, status=GrantStatus.GRANTED, usable=1, delta=1)
CHANGE = GrantChange(payment_id="pay", version=1, cause="Settled", environment="test", items=(LINE,))
NOTIFICATION = Notification(timestamp=datetime(2026, 9, 1, tzinfo=UTC), data=CHANGE)


def knows_nobody(change: GrantChange) -> None:
    raise LookupError(f"There is no player {change.items[0].wallet}.")


def test_what_a_function_raises_is_the_reason_and_no_line_of_a_log(caplog: pytest.LogCaptureFixture) -> None:
    outcome = asyncio.run(FunctionTeller(knows_nobody, 1).tell(NOTIFICATION))
    assert (outcome.kind, outcome.reason) == (
        OutcomeKind.TRANSIENT,
        "LookupError: There is no player alice.",
    )
    # asyncio tells of an error that nobody has looked at once it is thrown away.
    gc.collect()
    assert caplog.text == ""


@pytest.fixture
def _threads_alternate() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_threads_alternate")
def test_one_place_is_free_again_for_the_next_call() -> None:
    async def tell(times: int) -> set[OutcomeKind]:
        async with FunctionTeller(lambda _: None, 1) as teller:
            return {(await teller.tell(NOTIFICATION)).kind for _ in range(times)}

    assert asyncio.run(tell(200)) == {OutcomeKind.DONE}


def test_a_function_that_returns_too_late_disturbs_nobody(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FunctionTeller, "limit", 0.01)
    may_return = threading.Event()

    def hang(_change: GrantChange) -> None:
        may_return.wait(30)

    teller = FunctionTeller(hang, 1)
    outcome = asyncio.run(teller.tell(NOTIFICATION))
    assert (outcome.kind, outcome.reason) == (
        OutcomeKind.TRANSIENT,
        "The function has not returned within 0 seconds.",
    )
    refused = asyncio.run(teller.tell(NOTIFICATION))
    assert refused.reason
    assert "mend it" in refused.reason
    may_return.set()
    wait_until(
        lambda: asyncio.run(teller.tell(NOTIFICATION)).kind is OutcomeKind.DONE,
        what="its place is free again",
    )
    assert caplog.text == ""
