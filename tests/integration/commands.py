"""Commands typed at a terminal, on the database that the environment names."""

import json
from typing import Any

from click.testing import CliRunner, Result

from tasks.cli import main


def ctl(*arguments: str) -> Result:
    """Run coinflowctl."""
    return CliRunner().invoke(main, arguments)


def read(*arguments: str) -> Any:
    """Run a command that must end well; return the document that it printed."""
    done = ctl(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
