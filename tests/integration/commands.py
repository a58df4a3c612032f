"""Commands typed at a terminal, on the database that the environment names."""

import json
import os
import subprocess
import sys
from typing import Any

from click.testing import CliRunner, Result

from tasks.cli import main
from tests.stack import ROOT


def ctl(*arguments: str) -> Result:
    """Run coinflowctl."""
    return CliRunner().invoke(main, arguments)


def read(*arguments: str) -> Any:
    """Run a command that must end well; return the document that it printed."""
    done = ctl(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def typed(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run coinflowctl in a process of its own, with these variables besides those of the environment."""
    return subprocess.run(
        [sys.executable, "-m", "tasks.cli", *words],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
