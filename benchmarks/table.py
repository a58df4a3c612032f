"""Results of several rounds, as a table for each scenario."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from benchmarks.figures import Spread, best, ratio
from benchmarks.measured import Measured

#: In the order of the way of an event.
ROLES = ("door", "broker", "worker", "database", "load")


class Results:
    """What was measured, by scenario and subject, in the order in which they first came."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, list[Measured]]] = defaultdict(lambda: defaultdict(list))

    def add(self, scenario: str, subject: str, measured: Measured) -> None:
        """Take in a run."""
        self._runs[scenario][subject].append(measured)

    @property
    def scenarios(self) -> Mapping[str, Mapping[str, Sequence[Measured]]]:
        """All runs."""
        return self._runs

    def spreads(self, scenario: str) -> dict[str, dict[str, Spread]]:
        """Return each subject's figures in a scenario."""
        return {
            subject: {name: Spread.of([run.figures[name] for run in runs]) for name in runs[0].figures}
            for subject, runs in self._runs.get(scenario, {}).items()
        }

    def costs(self, scenario: str) -> dict[str, dict[str, float]]:
        """Return each subject's median milliseconds of the processor per event, by role."""
        return {
            subject: {
                role: Spread.of([run.processor[role] for run in runs]).median
                for role in ROLES
                if role in runs[0].processor
            }
            for subject, runs in self._runs.get(scenario, {}).items()
        }

    def rows(self, scenario: str, peers: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
        """Return the head and the rows of a scenario's table; ratios are to the best of `peers`."""
        spreads, costs = self.spreads(scenario), self.costs(scenario)
        names = list(dict.fromkeys(name for each in spreads.values() for name in each))
        roles = [role for role in ROLES if any(role in each for each in costs.values())]
        marks = {name: _of_peers(spreads, peers, name) for name in names}
        head = ["subject"]
        for name in names:
            head += [name, "to best peer"] if marks[name] else [name]
        head += [f"{role}, ms/event" for role in roles] + (["all, ms/event"] if roles else [])
        return head, [
            self._row(subject, spreads[subject], marks, [costs[subject].get(role) for role in roles])
            for subject in spreads
        ]

    @staticmethod
    def _row(
        subject: str,
        figures: Mapping[str, Spread],
        marks: Mapping[str, float | None],
        costs: Sequence[float | None],
    ) -> list[str]:
        row = [subject]
        for name, mark in marks.items():
            row.append(str(figures[name]) if name in figures else "")
            if mark:
                row.append(f"{ratio(figures[name].median, mark, name):.2f}" if name in figures else "")
        row += ["" if each is None else f"{each:.3f}" for each in costs]
        if costs:
            # What makes the load is none of the subject's.
            row.append(f"{sum(each or 0 for each in costs[:-1]):.3f}")
        return row

    def tables(self, peers: Sequence[str] = ()) -> Iterator[Table]:
        """Yield a table for each scenario, for a terminal."""
        for scenario in self._runs:
            head, rows = self.rows(scenario, peers)
            table = Table(title=scenario, title_justify="left")
            for number, column in enumerate(head):
                table.add_column(column, justify="right" if number else "left")
            for row in rows:
                table.add_row(*row)
            yield table


def _of_peers(spreads: Mapping[str, Mapping[str, Spread]], peers: Sequence[str], name: str) -> float | None:
    values = [spreads[peer][name].median for peer in peers if peer in spreads and name in spreads[peer]]
    return best(values, name) if values else None
