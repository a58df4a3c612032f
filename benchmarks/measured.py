"""What one run of one subject has shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.processor import Machine


@dataclass(frozen=True)
class Measured:
    """One run: a rate or a time, and what it cost."""

    #: By name, such as `accepted/s`.
    figures: Mapping[str, float]
    #: Milliseconds of the processor per event, by role.
    processor: Mapping[str, float] = field(default_factory=dict)
    #: Of all processors' time meanwhile: what other processes took, and what the machine's host did.
    others: float = 0.0
    stolen: float = 0.0

    @property
    def summary(self) -> str:
        """All of it in a line."""
        figures = ", ".join(f"{name} {value:.4g}" for name, value in self.figures.items())
        costs = ", ".join(f"{role} {value:.3f}" for role, value in self.processor.items())
        return f"{figures}; ms per event: {costs}; others {self.others:.0%}, stolen {self.stolen:.0%}"


def shares(machine: Machine, own: float) -> tuple[float, float]:
    """Return which parts of a time of the machine others took, and its host; `own` is what we took."""
    busy = machine.total - machine.idle - machine.stolen
    return max(0.0, busy - own) / machine.total, machine.stolen / machine.total
