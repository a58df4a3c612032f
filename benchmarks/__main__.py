"""`make bench`: ours and what a merchant would use instead, each in turn, as tables and plots."""

import click
from rich.console import Console

from benchmarks.former import build_former
from benchmarks.report import FOLDER, write
from benchmarks.scenarios import scenarios
from benchmarks.servers import Servers
from benchmarks.surroundings import surroundings
from benchmarks.table import Results


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each is measured, in turn.")
@click.option("--seconds", default=10, show_default=True, help="Of load, in each run.")
@click.option("--only", default="", metavar="TEXT", help="Scenarios whose names hold it; a|b are two texts.")
@click.option("--of", default="", metavar="TEXT", help="Subjects whose names hold this text.")
def main(rounds: int, seconds: int, only: str, of: str) -> None:
    """Measure, print and write it down."""
    # The tables are wider than what a console that is no terminal is taken for.
    console, results = Console(width=200), Results()
    chosen = [each for each in scenarios(seconds) if any(text in each.name for text in only.split("|"))]
    if not chosen:
        raise click.BadParameter(f"no scenario holds {only}", param_hint="--only")
    where = surroundings()
    if any("former" in each.name for each in chosen):
        build_former()
    with Servers() as servers:
        for scenario in chosen:
            measures = [each for each in scenario.measures if of in each[0]]
            for name, measure in measures * rounds:
                measured = measure(servers)
                results.add(scenario.name, name, measured)
                console.print(f"{scenario.name}: {name}: {measured.summary}", highlight=False, markup=False)
            # What is measured already stays if what follows fails.
            asked = f"make bench ROUNDS={rounds} SECONDS={seconds}" + (f" ONLY='{only}'" if only else "")
            write(results, chosen, where, asked)
    peers = [peer for scenario in chosen for peer in scenario.peers]
    for table in results.tables(peers):
        console.print(table)
    console.print(f"Written to {FOLDER}.")


main()
