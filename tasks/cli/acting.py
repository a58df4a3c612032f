"""Who acts: the options by which a command that changes something says so."""

import getpass
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from tasks.store.actions import Operator

_Command = Callable[..., None]


def _acting(*, required: bool) -> Callable[[_Command], _Command]:
    def options(command: _Command) -> _Command:
        @click.option(
            "--as",
            "who",
            metavar="NAME",
            help="Your name, kept with the action; this machine's user unless given.",
        )
        # What it was called where it may be left out: scripts say so.
        @click.option("--why", "why", hidden=True)
        @click.option(
            "--reason",
            "why",
            metavar="TEXT",
            required=required,
            help="Why. It is kept for good, so it should name no buyer.",
        )
        @wraps(command)
        def acting(*arguments: Any, who: str | None, why: str | None, **options: Any) -> None:
            command(*arguments, by=Operator(who or _user(), why), **options)

        return acting

    return options


#: Gives a command the options that name its `Operator`, which it is passed as `by`.
operator_options = _acting(required=False)
#: The same, for a command that nobody should give without a reason.
reason_options = _acting(required=True)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that is nobody's.
        return "unknown"
