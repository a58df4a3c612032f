"""Examples, which `--help` shows at its end."""

from collections.abc import Callable
from typing import TypeVar

import click

_C = TypeVar("_C", bound=click.Command)


def examples(*lines: str) -> Callable[[_C], _C]:
    """Give a command examples, each as it is typed after `coinflowctl`."""

    def give(command: _C) -> _C:
        # The backspace keeps click from filling the lines up.
        command.epilog = "\n".join(["\b", "For example:", *(f"  coinflowctl {line}" for line in lines)])
        return command

    return give
