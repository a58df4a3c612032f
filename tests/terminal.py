"""A terminal that stays open: a process that runs one command after the other, and speaks to its broker.

Starting Python for each command takes a second; only a process of its own has the environment of a stack.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self


class Done(NamedTuple):
    """What a command did."""

    exit_code: int
    stdout: str
    stderr: str


class Terminal:
    """Types commands in a folder and an environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.programs.terminal"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def type(self, *arguments: str) -> Done:
        """Run `coinflowctl` with these arguments."""
        return Done(*self.ask("ctl", *arguments))

    def ask(self, request: str, *arguments: Any) -> Any:
        """Ask for something else that `tests.programs.terminal` does."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([request, arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
