"""What the receiver's processes take of a machine's memory."""

from pathlib import Path

import pytest

from tests.acceptance.servers import Serve
from tests.memory import MEGABYTE, total
from tests.services import missing
from tests.stack import Stack
from tests.waiting import wait_until

#: Bytes of PSS in all; where each process loads the application for itself, they take 135 MB.
BOUND = 115 * MEGABYTE


@pytest.mark.parametrize("servers", ["embedded and SQLite", "RabbitMQ and PostgreSQL"])
def test_four_processes_share_what_they_have_loaded(tmp_path: Path, serve: Serve, servers: str) -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        missing("only Linux tells what processes share")
    with serve(servers, tmp_path) as environment, Stack(tmp_path, environment) as stack:
        stack.environment["WEB_CONCURRENCY"] = "4"
        stack.release()
        stack.start("web")
        wait_until(lambda: len(stack.children("web")) == 4, what="all processes are there")
        stack.trigger("Settled", "--times", "200", "--concurrency", "20")
        taken = total([stack.processes["web"].pid, *stack.children("web")])
    assert taken.pss < BOUND, taken
