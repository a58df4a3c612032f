"""An operator at a stack's terminal, for commands that speak to its broker."""

import json
from collections.abc import Sequence
from typing import Any

from tests.stack import ROOT, Stack
from tests.terminal import Terminal


class Operator(Terminal):
    """Runs commands with a stack's environment."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(ROOT, stack.environment)

    def __call__(self, *arguments: str, exit_code: int | None = 0) -> Any:
        """Run `coinflowctl dead-letters`; return what it prints, or its error. None is any code."""
        done = self.type("dead-letters", *arguments, "--json")
        assert exit_code in {None, done.exit_code}, done
        return json.loads(done.stdout) if done.exit_code == 0 else done.stderr

    def send(
        self, task: str, *, queue: str, expires: float | None = None, arguments: Sequence[Any] = ()
    ) -> None:
        """Send a task, which need not exist, and which may expire after so many seconds."""
        self.ask("send", task, queue, expires, arguments)

    def publish(self, body: str, **options: Any) -> None:
        """Publish a message, which need not be a task."""
        self.ask("publish", body, options)

    def crash(self) -> None:
        """Do what the message in the queue `events` would do if it ended each worker that takes it."""
        self.ask("crash")
