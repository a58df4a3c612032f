"""What the log says of notifications: why they fail, and nothing that a server or a function quotes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from tasks.notifications.health import FAILURES, Health
from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.notifications.turn import Turn, log
from tasks.store.notifications import Claimed, Ending
from tasks.store.states import EndpointState, NotificationState

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
OPEN = Health(state=EndpointState.OPEN, since=NOW)
#: What a server answers, or a function raises.
QUOTED = "There is no player alice@players.example."


def logged(turn: Turn) -> Sequence[Any]:
    with capture_logs() as lines:
        log("default", turn)
    return lines


@pytest.mark.parametrize("state", [NotificationState.PENDING, NotificationState.DEAD])
@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (f"404 Not Found (is the path right?): {QUOTED}", "404 Not Found (is the path right?)"),
        (f"LookupError: {QUOTED}", "LookupError"),
        (
            "time-out after 10 s while connecting to shop:443",
            "time-out after 10 s while connecting to shop:443",
        ),
    ],
)
def test_a_failure_is_logged_without_what_is_quoted(
    state: NotificationState, reason: str, shown: str
) -> None:
    ending = Ending(Claimed(1, "pay", 2, 3, NOW), state, NOW, OutcomeKind.TRANSIENT, None, reason)
    (line,) = logged(Turn((), None, [ending], None))
    assert (line["payment_id"], line["version"], line["attempt"], line["reason"]) == ("pay", 2, 3, shown)


def test_an_endpoint_that_is_held_or_paused_is_logged_so() -> None:
    health = OPEN
    for payment_id in "abcdefghij"[:FAILURES]:
        failed = Outcome(OutcomeKind.TRANSIENT, 500, f"500 Internal Server Error: {QUOTED}")
        health = health.after(failed, payment_id, NOW, 20)
    (held,) = logged(Turn((), None, (), health))
    assert (held["event"], held["reason"], held["failures"]) == (
        "endpoint.held",
        "500 Internal Server Error",
        FAILURES,
    )
    gone = Outcome(OutcomeKind.GONE, 410, f"410 Gone (the server wants no more notifications): {QUOTED}")
    (paused,) = logged(Turn((), None, (), OPEN.after(gone, "a", NOW, 20)))
    assert (paused["event"], paused["reason"]) == (
        "endpoint.paused",
        "410 Gone (the server wants no more notifications)",
    )
    assert paused["next_step"] == "coinflowctl endpoints resume default"
