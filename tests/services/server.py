"""A server process of a test's own, and what a test does where the server is not installed."""

import os
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


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
            self._process = None
        # Its children, and what they hold open, may end a moment later.
        wait_until(lambda: not answers(self.port), what=f"port {self.port} is free again")
