"""`make chaos`: every fault, one after the other, and a table of what they did."""

import random

import click
from rich.console import Console

from tests.chaos.result import table
from tests.chaos.rows import ROWS, run


@click.command()
@click.option("--payments", default=2000, show_default=True, help="How many, in each row.")
@click.option("--seed", type=int, help="Repeat a run; a new one unless given.")
@click.option("--only", multiple=True, metavar="TEXT", help="Only rows whose name or servers hold this text.")
def main(payments: int, seed: int | None, only: tuple[str, ...]) -> None:
    """Break the running product in every way; exit 1 if anything was lost, doubled or answered wrongly."""
    # The table is wider than what a console that is no terminal is taken for.
    console = Console(width=140)
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    rows = [row for row in ROWS if not only or any(text in str(row) for text in only)]
    if not rows:
        raise click.BadParameter(f"no row holds any of {only}", param_hint="--only")
    results = []
    for row in rows:
        console.print(f"{row} …")
        results.append(run(row, payments, seed))
        console.print(results[-1].summary, markup=False, highlight=False)
    console.print(table(results, seed))
    if not all(result.holds for result in results):
        raise SystemExit(1)


main()
