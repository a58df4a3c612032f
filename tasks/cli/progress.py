"""A bar that shows how far something has come."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

_T = TypeVar("_T")


def tracked(each: Iterable[_T], total: int, what: str) -> Iterator[_T]:
    """Yield each of them while a bar moves.

    It goes to standard error and only to a terminal, so that the answers can be piped.
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(each, total=total, description=what)
