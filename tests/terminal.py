"""A terminal that stays open: `coinflowctl` in a process of its own that reads one command after the other.

Starting Python for each command takes a second; only a process of its own has the environment of a stack.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner

from tasks.cli import main


class Done(NamedTuple):
    """What a command did."""

    exit_code: int
    stdout: str
    stderr: str


class Terminal:
    """Types commands in a folder and an environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def type(self, *arguments: str) -> Done:
        """Run `coinflowctl` with these arguments."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        return Done(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve() -> None:
    """Run commands as they come, until there are no more."""
    for line in sys.stdin:
        done = CliRunner().invoke(main, json.loads(line))
        sys.stdout.write(json.dumps(Done(done.exit_code, done.stdout, done.stderr)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
