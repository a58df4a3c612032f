"""What the door accepts and what comes through: ours, in turn with other settings or other checkouts of it.

    python -m benchmarks.whole_way --seconds 5 --rounds 2 --connections 32
    python -m benchmarks.whole_way --against ../elsewhere --only embedded

It runs the Procfile's `web` and `worker` on a RabbitMQ and a PostgreSQL of its own, and embedded on files.
`--against` measures another checkout beside this one, on its own `.venv` if it has one.
"""

from pathlib import Path

import click
from rich.console import Console

from benchmarks.ours import ours
from benchmarks.pressure import pressure
from benchmarks.servers import Servers
from benchmarks.subject import Extent
from benchmarks.table import Results
from tests.stack import ROOT


@click.command()
@click.option("--seconds", default=5, show_default=True, help="Of load, in each run.")
@click.option("--rounds", default=3, show_default=True, help="How often each is measured, in turn.")
@click.option("--connections", default=32, show_default=True)
@click.option("--against", type=click.Path(path_type=Path), multiple=True, help="Another checkout.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A variable of all.")
@click.option("--no-door", is_flag=True, help="Only with a worker.")
@click.option("--only", default="", metavar="TEXT", help="Those whose names hold this text.")
def main(
    seconds: int,
    rounds: int,
    connections: int,
    against: tuple[Path, ...],
    assignments: tuple[str, ...],
    *,
    only: str,
    no_door: bool,
) -> None:
    """Measure and print."""
    settings = dict(each.split("=", 1) for each in assignments)
    subjects = [
        ours(
            f"{source.resolve().name}, {where}",
            embedded=where == "embedded",
            source=source,
            settings=settings,
        )
        for where in ("RabbitMQ + PostgreSQL", "embedded")
        for source in (ROOT, *(each.resolve() for each in against))
    ]
    console, results = Console(width=140), Results()
    runs = [
        (extent, subject)
        for extent in Extent
        for subject in subjects
        if only in subject.name and not (no_door and extent is Extent.DOOR)
    ]
    with Servers() as servers:
        for extent, subject in runs * rounds:
            measured = pressure(servers, subject, extent, connections, seconds)
            results.add(extent, subject.name, measured)
            console.print(f"{extent}, {subject.name}: {measured.summary}", highlight=False)
    for table in results.tables():
        console.print(table)


if __name__ == "__main__":
    main()
