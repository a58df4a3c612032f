"""What `metrics` says, read as Prometheus reads it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tasks.metrics import families
from tasks.store.views.metrics import Snapshot

_NOTHING = Snapshot(
    now=datetime.now(UTC),
    totals={},
    events={},
    dead_letters={},
    notifications={},
    unfinished={},
    endpoints={},
    silent={},
    notification_due_at=None,
    last_event_at=None,
    sweeps={},
)


def every_family() -> list[Metric]:
    """Return every metric that the process tells, as they are where there is nothing."""
    return [
        *families.of_database(_NOTHING),
        *families.of_queues([]),
        families.of_price_list(is_refused=False),
    ]


def labels_of(family: Metric) -> tuple[str, ...]:
    """Return what a metric's samples are told apart by."""
    names: tuple[str, ...] = getattr(family, "_labelnames", ())
    return names


class Scrape:
    """The samples of one answer."""

    def __init__(self, text: str) -> None:
        self._samples: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value

    @property
    def names(self) -> set[str]:
        """The names of all samples, without `coinflow_`."""
        return {name.removeprefix("coinflow_") for name in self._samples}

    def get(self, name: str, **labels: str) -> float | None:
        """Return a sample's value, or None where there is none."""
        return self._samples.get(f"coinflow_{name}", {}).get(frozenset(labels.items()))

    def all(self, name: str, *labels: str) -> Mapping[Any, float]:
        """Return a metric's values by their labels in this order; where there is one label, by its value."""
        found = {}
        for key, value in self._samples.get(f"coinflow_{name}", {}).items():
            said = tuple(dict(key)[label] for label in labels)
            found[said[0] if len(said) == 1 else said] = value
        return found
