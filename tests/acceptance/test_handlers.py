"""A merchant's own handlers: the documented example as it stands there, retries and dead letters."""

import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.merchants import employ
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

PAGE = (ROOT / "docs" / "how-to" / "write-a-handler.md").read_text()
EXAMPLE, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def handling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    environment = employ("tasks.handlers", "tests.merchants.faulty") | {"LOG_FORMAT": "json"}
    with Stack(tmp_path_factory.mktemp("handlers"), environment) as stack:
        stack.write_handlers(EXAMPLE)
        stack.release()
        stack.start("web", "worker")
        yield stack


def concluded(stack: Stack, event_type: str, *options: str) -> Any:
    """Send an event; return it once all its handlers are through."""
    stack.trigger(event_type, *options)

    def shown() -> Any:
        for event in stack.read("events", "list", "--type", event_type):
            found = stack.read("events", "show", str(event["id"]))
            if all(run["state"] != "pending" for run in found["handler_runs"]):
                return found
        return None

    return wait_until(shown, what=f"{event_type} is through", log=lambda: stack.log("worker"))


def runs(event: Any) -> dict[str, str]:
    return {run["handler"]: run["state"] for run in event["handler_runs"]}


def test_the_documented_example_has_ten_lines_at_most_and_works(handling: Stack) -> None:
    assert len([line for line in EXAMPLE.splitlines() if line]) <= 10
    event = concluded(handling, "Card Payment Declined", "--wallet", "declined-buyer")
    assert runs(event) == {"fulfilment": "done", "offer_another_card": "done"}
    assert '"wallet": "declined-buyer"' in handling.log("worker")


def test_a_handler_stands_beside_the_built_in_one_and_is_tried_again(handling: Stack) -> None:
    event = concluded(handling, "Settled", "--item", "sword", "--wallet", "buyer")
    assert runs(event) == {"fulfilment": "done", "wrong_at_first": "done"}
    assert [item["status"] for item in handling.wallet("buyer")] == ["granted"]


def test_an_outage_of_what_a_handler_needs_is_waited_out(handling: Stack) -> None:
    assert runs(concluded(handling, "KYC Success")) == {"away_at_first": "done"}


def test_a_permanent_error_is_a_dead_letter_at_once(handling: Stack) -> None:
    event = concluded(handling, "KYC Failure")
    assert runs(event) == {"refuses": "dead"}
    (letter,) = event["dead_letters"]
    assert (letter["handler"], letter["error"], letter["message"], letter["attempts"]) == (
        "refuses",
        "PermanentError",
        "not this one",
        1,
    )


def test_each_handler_is_a_task_of_its_own_and_its_arguments_show_nothing(handling: Stack) -> None:
    concluded(handling, "Card Payment Declined", "--wallet", "private-name")
    received = [
        line for line in handling.log("worker").splitlines() if "tasks.handlers.offer_another_card" in line
    ]
    assert received
    assert not any("private-name" in line for line in received)


def test_handlers_may_have_a_worker_of_their_own(handling: Stack) -> None:
    handling.kill("worker", signal.SIGTERM)
    before = len(handling.log("worker"))
    theirs, others = re.findall(r"`(-Q [^`]+)`", PAGE)
    handling.start_process("worker", theirs, known_as="handlers")
    handling.start_process("worker", others)
    handling.trigger("Settled", "--item", "sword", "--wallet", "last-buyer")

    def both_done() -> bool:
        handled = re.search(r"tasks\.handlers\.wrong_at_first\S* succeeded", handling.log("handlers"))
        return bool(handled and handling.wallet("last-buyer"))

    wait_until(both_done, what="both are done", log=lambda: handling.log("handlers"))
    assert "tasks.handlers" not in handling.log("worker")[before:]
