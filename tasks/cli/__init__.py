"""`coinflowctl`: send sample events, and read what became of them.

An entry point: it alone may import from the receiver as well as from the tasks.
"""

import logging
from importlib import import_module
from typing import Any

import click
import structlog

from tasks.cli.visible import visible_lines

_COMMANDS = (
    "trigger",
    "find",
    "wallets",
    "events",
    "payments",
    "subscriptions",
    "dead-letters",
    "actions",
    "catalog",
)


class _Commands(click.Group):
    """Imports the command that is called for, and no other: together they take a second."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = name.replace("-", "_")
        command: click.Command = getattr(import_module(f"tasks.cli.{module}"), module)
        return command

    def invoke(self, context: click.Context) -> Any:
        """Run the command; what it fails with may name what came from outside."""
        try:
            return super().invoke(context)
        except click.UsageError:
            # It names what was typed here.
            raise
        except click.ClickException as error:
            raise click.ClickException(visible_lines(error.message)) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Operate the Coinflow webhook receiver and its fulfilment."""


def run() -> None:
    """Run the command that was typed; standard output is its answer's alone."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    main(prog_name="coinflowctl")
