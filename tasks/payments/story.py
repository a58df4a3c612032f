"""A payment's story: what its events say, each thing once, in an order that their arrival cannot change."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType

from tasks.coinflow.event import happened_at
from tasks.coinflow.event_types import EventType, Meaning
from tasks.payments.facts import Facts

#: Where events of one moment stand: as the life of a refund or a dispute goes. All others are first.
_STAGES: Mapping[str, int] = MappingProxyType(
    {
        "pending": 0,
        "invoiced": 1,
        "settled": 2,
        "failed": 4,
        "Refund Complete": 3,
        "Refund Failure": 4,
        "Refund Returned": 5,
    }
)
_OUTCOMES: Mapping[Meaning, int] = MappingProxyType({Meaning.RESTORES: 1, Meaning.REVOKES: 2})


# Without slots, for a story asks each for its position again and again.
@dataclass(frozen=True)
class Statement:
    """An event as the rules see it."""

    key: str
    type: EventType
    #: When Coinflow says it happened, as it wrote it.
    created: str
    facts: Facts
    #: The keys of all events that say just this; empty: its own alone.
    copies: frozenset[str] = frozenset()

    @property
    def keys(self) -> frozenset[str]:
        """The keys of all events that say just this."""
        return self.copies or frozenset({self.key})

    @cached_property
    def happened_at(self) -> datetime | None:
        """When Coinflow says it happened, or None if that is no ISO 8601 time."""
        return happened_at(self.created)

    @property
    def told_at(self) -> tuple[bool, datetime, str]:
        """When Coinflow says it happened, comparable: what is no time comes last, as it is written."""
        moment = self.happened_at
        if moment is None:
            return (True, datetime.max.replace(tzinfo=UTC), self.created)
        return (False, moment, "")

    @property
    def stage(self) -> int:
        """Where it stands among events of the same moment."""
        refund = self.facts.refund
        name = refund.status if refund and self.type.name == "Refund" else self.type.name
        return _STAGES.get(name or "", _OUTCOMES.get(self.type.meaning, 0))

    @cached_property
    def position(self) -> tuple[bool, datetime, str, int, str, str]:
        """Where it stands among others: by the time it states, by its stage, then by what it says."""
        content = self.facts.model_dump_json(exclude_defaults=True)
        return (*self.told_at, self.stage, self.type.name, content)

    def means(self, *meanings: Meaning) -> bool:
        """Tell whether the event has one of these meanings for its payment."""
        return self.type.meaning in meanings

    def is_among(self, keys: Collection[str]) -> bool:
        """Tell whether these are of an event that says just this."""
        return not self.keys.isdisjoint(keys)


def tell(events: Collection[Statement]) -> list[Statement]:
    """Return what the events say, in order; events that differ in nothing the rules read are one."""
    said: dict[tuple[bool, datetime, str, int, str, str], list[Statement]] = {}
    for event in events:
        said.setdefault(event.position, []).append(event)
    return [_joined(said[position]) for position in sorted(said)]


def _joined(events: Collection[Statement]) -> Statement:
    first = min(events, key=lambda event: event.key)
    if len(events) == 1:
        return first
    return replace(first, copies=frozenset[str]().union(*(event.keys for event in events)))
