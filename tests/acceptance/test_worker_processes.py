"""How many processes a worker has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, {}) as stack:
        stack.release()
        yield stack


@pytest.mark.parametrize(
    ("variable", "arguments", "processes"), [("", "", 4), ("2", "", 2), ("2", "-c 3", 3)]
)
def test_a_worker_has_as_many_processes_as_it_is_told(
    stack: Stack, variable: str, arguments: str, processes: int
) -> None:
    stack.environment["WORKER_CONCURRENCY"] = variable
    stack.start_process("worker", arguments)
    wait_until(
        lambda: "ready." in stack.log("worker"), what="the worker is ready", log=lambda: stack.log("worker")
    )
    assert len(stack.children("worker")) == processes


def test_a_malformed_number_is_named(stack: Stack) -> None:
    for wrong in ("0", "many"):
        stack.environment["WORKER_CONCURRENCY"] = wrong
        stack.start_process("worker")
        assert stack.processes["worker"].wait(timeout=PATIENCE) == 1
        said = stack.log("worker").splitlines()[-1]
        assert said.strip().startswith("WORKER_CONCURRENCY: ")
        assert "Traceback" not in stack.log("worker")
