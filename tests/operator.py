"""An operator's terminal, for commands that speak to a stack's broker."""

import json
import subprocess
import sys
from typing import Any

from tests.stack import ROOT, Stack

TERMINAL = """
import json, sys
from click.testing import CliRunner
from tasks.celery import app
from tasks.cli import main
for line in sys.stdin:
    request = json.loads(line)
    answer = {}
    if "code" in request:
        exec(request["code"], {"app": app, "data": request["data"]})
    else:
        done = CliRunner().invoke(main, request["arguments"])
        answer = {"exit_code": done.exit_code, "stdout": done.stdout}
        answer["stderr"] = done.stderr + repr(done.exception)
    print(json.dumps(answer), flush=True)
"""


class Operator:
    """A process that runs commands with the stack's environment, as an operator's terminal does, and goes on.

    Only a process of its own sees the stack's broker, and starting one for each command would take seconds.
    """

    def __init__(self, stack: Stack) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", TERMINAL],
            cwd=ROOT,
            env=stack.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, exit_code: int | None = 0) -> Any:
        """Run `coinflowctl dead-letters`; return what it prints, or its error. None is any code."""
        done = self._say({"arguments": ["dead-letters", *arguments, "--json"]})
        assert exit_code in {None, done["exit_code"]}, done
        return json.loads(done["stdout"]) if done["exit_code"] == 0 else done["stderr"]

    def run(self, code: str, data: object = None) -> None:
        """Do something with the stack's broker, as any other program might."""
        self._say({"code": code, "data": data})

    def _say(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def leave(self) -> None:
        self._process.communicate()
