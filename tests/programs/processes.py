"""Runs the shell commands that are its arguments beside each other, as `make run` does."""

import sys

from tasks.cli.processes import Processes

if __name__ == "__main__":
    commands = {f"command-{number}": command for number, command in enumerate(sys.argv[1:], 1)}
    raise SystemExit(Processes().run(commands))
