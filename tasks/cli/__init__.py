"""`coinflowctl`: send sample events, and read what became of them.

An entry point: it alone may import from the receiver as well as from the tasks. A command imports what it
needs and no more: together they take a second, and what most of them do takes a tenth.
"""

import gc
import logging
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from tasks.cli.lazy_group import LazyGroup
from tasks.cli.output import say
from tasks.cli.visible import visible_lines
from tasks.log import before_the_first_word

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
#: How many new objects there are before garbage is looked for.
_OBJECTS = 500_000


class _Commands(LazyGroup):
    def list_commands(self, _context: click.Context) -> list[str]:
        """Return their names in the order in which they are needed."""
        return list(_COMMANDS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what no command can print or look for."""
        if any(_is_broken(each) for each in args):
            raise click.UsageError("What was typed is no text: it holds bytes that are not UTF-8.", ctx)
        return super().parse_args(ctx, args)

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
        say(f"coinflowctl {project['version']}")
        context.exit()


@click.group(
    cls=_Commands,
    elsewhere={name: name.replace("-", "_") for name in _COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"]},
)
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
    before_the_first_word(_say_errors_alone)
    # Nothing that is imported is garbage, yet a third of the time would go into looking for some: again and
    # again meanwhile, and at the end, after which the system takes back all of it anyway.
    gc.set_threshold(_OBJECTS)
    try:
        main(prog_name="coinflowctl")
    finally:
        gc.freeze()


def _say_errors_alone() -> None:
    import structlog  # noqa: PLC0415  # it takes as long as many a command (`tasks.log`)

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
