"""What `make bench` leaves in `benchmarks/results/`: a page of tables, and plots."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import Spread, written
from benchmarks.plot import plot
from benchmarks.scenarios import Scenario
from benchmarks.table import Results

FOLDER = Path(__file__).with_name("results")
#: A machine that does something else meanwhile measures that, too.
_BUSY = 0.1


def write(results: Results, scenarios: list[Scenario], surroundings: Mapping[str, str], asked: str) -> None:
    """Write page and plots; `asked` says how it was run."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "README.md").write_text(page(results, scenarios, surroundings, asked))
    for scenario in scenarios:
        spreads = results.spreads(scenario.name)
        figures = {
            subject: each[scenario.plotted] for subject, each in spreads.items() if scenario.plotted in each
        }
        if figures:
            (FOLDER / _picture(scenario)).write_text(plot(f"{scenario.name}: {scenario.plotted}", figures))


def page(results: Results, scenarios: list[Scenario], surroundings: Mapping[str, str], asked: str) -> str:
    """Return what was measured so far, as Markdown."""
    parts = ["# Results", f"By `{asked}`. Medians, with the range in parentheses.", _busy(results)]
    for scenario in scenarios:
        if scenario.name in results.scenarios:
            parts += [f"## {scenario.name.capitalize()}", _table(results, scenario)]
            if scenario.plotted:
                parts.append(f"![{scenario.name}]({_picture(scenario)})")
    parts += ["## Where", "\n".join(f"- {name}: {value}" for name, value in surroundings.items())]
    return "\n\n".join(parts) + "\n"


def _picture(scenario: Scenario) -> str:
    return "-".join(scenario.name.replace(",", "").replace("/", " ").split()) + ".svg"


def _table(results: Results, scenario: Scenario) -> str:
    head, rows = results.rows(scenario.name, scenario.peers)
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def _busy(results: Results) -> str:
    """Say how busy the machine was with other things."""
    runs = [run for each in results.scenarios.values() for some in each.values() for run in some]
    others, stolen = (Spread.of([getattr(run, name) for run in runs]) for name in ("others", "stolen"))
    said = (
        f"Meanwhile others took {written(100 * others.median)} % of all processors (at most "
        f"{written(100 * others.most)} %), and the machine's host {written(100 * stolen.median)} % "
        f"(at most {written(100 * stolen.most)} %)."
    )
    if others.median + stolen.median > _BUSY:
        said += " **The machine was busy: rates and times say little, milliseconds of the processor more.**"
    return said
