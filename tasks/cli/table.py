"""A table for a terminal that is wide enough, or for a pipe."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tasks.cli.visible import visible

#: As wide as no terminal is, to find out how wide a table would be.
_WIDE = Console(width=1_000_000)


def draw(title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Print rows under the names of their columns, if they fit; tell whether they do."""
    # Text, because what came from outside must not be read as markup.
    table = Table(title=Text(visible(title), style="table.title"), title_justify="left", box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    width = Measurement.get(_WIDE, _WIDE.options, table).maximum
    terminal = Console()
    if terminal.is_terminal and width > terminal.width:
        return False
    Console(width=width).print(table)
    return True
