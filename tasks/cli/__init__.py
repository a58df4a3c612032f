"""`coinflowctl`: send sample events, and read what became of them.

An entry point: it alone may import from the receiver as well as from the tasks.
"""

import logging
import tomllib
from importlib import import_module
from pathlib import Path
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
    "notifications",
    "endpoints",
    "dead-letters",
    "actions",
    "catalog",
    "prune",
    "export",
    "erase",
    "sink",
    "doctor",
)


class _Commands(click.Group):
    """Imports the command that is called for, and no other: together they take a second."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what no command can print or look for."""
        if any(_is_broken(each) for each in args):
            raise click.UsageError("What was typed is no text: it holds bytes that are not UTF-8.", ctx)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return what was asked for; what there is none of is answered with what looks like it."""
        if args[0] not in _COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=_COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

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


def _is_broken(text: str) -> bool:
    # Python reads a byte that is none of UTF-8 as half of a pair.
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _tell_version(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:  # noqa: FBT001  # click's
    if is_asked:
        # It runs from its source tree, so nothing that is installed knows it.
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
        import_module("tasks.cli.output").say(f"coinflowctl {project['version']}")
        context.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Operate the Coinflow webhook receiver and its fulfilment."""


def run() -> None:
    """Run the command that was typed; standard output is its answer's alone."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    main(prog_name="coinflowctl")
