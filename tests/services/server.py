"""A server process of a test's own, and what a test does where the server is not installed."""

import asyncio
import itertools
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest

from tests.waiting import PATIENCE, wait_until


def missing(what: str) -> NoReturn:
    """Skip, or fail where every server is promised."""
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, so this must run: {what}")
    pytest.skip(what)


#: Ports are taken one after the other, by each pytest process from others, and none that connections begin
#: from: the kernel gives away those above 32768 at any moment, also between a test that has found one free
#: and its server that takes it.
_FIRST = 10_000 + 2_500 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8)
_NUMBERS = itertools.count(random.SystemRandom().randrange(2_500))


def free_port() -> int:
    """Return a port that nobody listens on."""
    for number in _NUMBERS:
        port = _FIRST + number % 2_500
        with socket.socket() as probe, suppress(OSError):
            # As a server does, which may take a port that a closed connection of a moment ago still has.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: ports come again")


def answers(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def stop_listening(server: asyncio.Server) -> None:
    """Close a server when nothing is being accepted: asyncio would leave that open, and say so much later."""
    for each in server.sockets:
        asyncio.get_running_loop().remove_reader(each.fileno())
    # What was accepted gets its transport, then its protocol, then ours hears of it: a turn of the loop each.
    for _ in range(3):
        await asyncio.sleep(0)
    server.close()


@dataclass
class Server:
    """A server process of the test's own, which may be stopped, killed and started again."""

    command: list[str]
    port: int
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    ready: Callable[[int], bool] = answers
    stop_signal: signal.Signals = signal.SIGTERM

    def __post_init__(self) -> None:
        self.environment = os.environ | self.environment
        self._process: subprocess.Popen[bytes] | None = None
        #: How it ended last.
        self.exit_code: int | None = None

    def start(self) -> None:
        """Return once the server is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.user,
            )
        wait_until(self._is_ready, what=f"{self.command[0]} is ready; see {self.log}")

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """Its process, while it runs."""
        assert self._process is not None, f"{self.command[0]} does not run"
        return self._process.pid

    def _is_ready(self) -> bool:
        if not self.running:
            raise AssertionError(f"{self.command[0]} ended:\n{self.log.read_text()[-2000:]}")
        return self.ready(self.port)

    def stop(self, signal_number: signal.Signals | None = None) -> None:
        """End the server and everything that it started."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal_number or self.stop_signal)
        try:
            self._process.wait(timeout=PATIENCE)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self.exit_code = self._process.returncode
            self._process = None
        # Its children, and what they hold open, may end a moment later.
        wait_until(lambda: not answers(self.port), what=f"port {self.port} is free again")
