"""An operator's terminal, for commands that speak to a stack's broker."""

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from tests.stack import ROOT, Stack


class Operator:
    """A process that runs commands with the stack's environment, as an operator's terminal does, and goes on.

    Only a process of its own sees the stack's broker, and starting one for each command would take seconds.
    """

    def __init__(self, stack: Stack) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.programs.terminal"],
            cwd=ROOT,
            env=stack.environment,
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

    def __call__(self, *arguments: str, exit_code: int | None = 0) -> Any:
        """Run `coinflowctl dead-letters`; return what it prints, or its error. None is any code."""
        done = self._ask("ctl", "dead-letters", *arguments, "--json")
        assert exit_code in {None, done["exit_code"]}, done
        return json.loads(done["stdout"]) if done["exit_code"] == 0 else done["stderr"]

    def send(self, task: str, *, queue: str) -> None:
        """Send a task, which need not exist."""
        self._ask("send", task, queue)

    def publish(self, body: str, **options: Any) -> None:
        """Publish a message, which need not be a task."""
        self._ask("publish", body, options)

    def crash(self) -> None:
        """Do what the message in the queue `events` would do if it ended each worker that takes it."""
        self._ask("crash")

    def _ask(self, request: str, *arguments: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([request, arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())
