"""Flower shows the tasks that ran, and nothing of what the events hold."""

import json
import urllib.request
from typing import Any

import pytest

from tests.stack import Stack
from tests.waiting import wait_until


@pytest.fixture
def flower_tasks(stack: Stack) -> Any:
    stack.environment["FLOWER_UNAUTHENTICATED_API"] = "true"
    stack.start("flower")

    def tasks() -> list[dict[str, Any]]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{stack.flower_port}/api/tasks", timeout=5
            ) as answer:
                return list(json.load(answer).values())
        except OSError:
            return []

    yield tasks
    stack.kill("flower")


def test_flower_shows_tasks_by_speaking_names_without_payloads(stack: Stack, flower_tasks: Any) -> None:
    def succeeded() -> bool:
        # Flower takes a moment until it listens to events, so the payment comes until it is seen.
        stack.trigger("Settled", "--item", "sword", "--wallet", "seen-in-flower")
        done = {task["name"] for task in flower_tasks() if task["state"] == "SUCCESS"}
        return "tasks.intake.store_events" in done

    wait_until(succeeded, seconds=30, what="Flower shows the task", log=lambda: stack.log("flower"))
    assert "seen-in-flower" not in json.dumps(flower_tasks())
