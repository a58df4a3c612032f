"""The log of modules that `coinflowctl` imports: structlog comes with the first word.

To import it takes as long as many a command, and most commands say nothing. Other modules use it directly.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

_preparations: list[Callable[[], None]] = []


class Log:
    """Has the methods of structlog's logger of this name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        return getattr(self._logger, method)

    @cached_property
    def _logger(self) -> Any:
        prepare()
        import structlog  # noqa: PLC0415  # as said above

        return structlog.get_logger(self._name)


def before_the_first_word(preparation: Callable[[], None]) -> None:
    """Let this be done once, before structlog is used."""
    _preparations.append(preparation)


def prepare() -> None:
    """Do what is to be done before the first word; whoever is about to import other logs calls it, too."""
    while _preparations:
        _preparations.pop()()
