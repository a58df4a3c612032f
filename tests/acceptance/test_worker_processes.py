"""How many processes a worker has, and what they take of a machine's memory."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.servers import Serve
from tests.memory import MEGABYTE, total
from tests.services import missing
from tests.stack import Stack
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.long

PAYMENTS = 60
#: Bytes of PSS in all, so that a host of 512 MB holds twice as many children.
BOUND = 200 * MEGABYTE


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


@pytest.mark.parametrize("servers", ["embedded and SQLite", "RabbitMQ and PostgreSQL"])
def test_a_worker_with_four_children_takes_less_than_200_mb(
    tmp_path: Path, serve: Serve, servers: str
) -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        missing("only Linux tells what processes share")
    with serve(servers, tmp_path) as environment, Stack(tmp_path, environment) as stack:
        stack.release()
        pay(stack, "before", PAYMENTS)
        taken = total([stack.processes["worker"].pid, *stack.children("worker")])
        assert taken.pss < BOUND, taken

        # A child that takes the place of another shares as much.
        for child in stack.children("worker")[:2]:
            os.kill(child, signal.SIGKILL)
        wait_until(lambda: len(stack.children("worker")) == 4, what="four children are there again")
        pay(stack, "after", 2 * PAYMENTS)
        taken = total([stack.processes["worker"].pid, *stack.children("worker")])
        assert taken.pss < BOUND, taken


def pay(stack: Stack, name: str, expected: int) -> None:
    """Let a backlog keep every child of the worker busy, then leave the worker alone on its machine."""
    if "worker" in stack.processes:
        os.kill(stack.processes["worker"].pid, signal.SIGSTOP)
    stack.start("web")
    for number in range(PAYMENTS):
        stack.trigger("Settled", "--payment-id", f"{name}-{number}", "--wallet", "memory")
    stack.kill("web")
    if "worker" in stack.processes:
        os.kill(stack.processes["worker"].pid, signal.SIGCONT)
    else:
        stack.start("worker")
    wait_until(
        lambda: len(stack.wallet("memory")) == expected,
        what="every payment is granted",
        log=lambda: stack.log("worker"),
    )
