"""A payment's story: what its events say, each thing once, in an order that their arrival cannot change."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, lru_cache, total_ordering
from itertools import groupby
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import NamedTuple, Self

from tasks.coinflow.event import happened_at
from tasks.coinflow.event_types import EventType, Meaning
from tasks.payments.facts import Facts

#: A story asks each of its events for its time again and again; no text is longer than a column keeps.
_moment = lru_cache(maxsize=2_048)(happened_at)
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
_LAST = datetime.max.replace(tzinfo=UTC)
_OUTCOMES: Mapping[Meaning, int] = MappingProxyType({Meaning.RESTORES: 1, Meaning.REVOKES: 2})


@total_ordering
class _Content:
    """What an event says, to be compared as text; that is written only where two events are of one moment."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    @cached_property
    def _text(self) -> str:
        return self._facts.model_dump_json(exclude_defaults=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self._text == other._text

    def __lt__(self, other: Self) -> bool:
        return self._text < other._text

    def __hash__(self) -> int:
        return hash(self._text)


class Statement(NamedTuple):
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

    @property
    def happened_at(self) -> datetime | None:
        """When Coinflow says it happened, or None if that is no ISO 8601 time."""
        return _moment(self.created)

    @property
    def told_at(self) -> tuple[bool, datetime, str]:
        """When Coinflow says it happened, comparable: what is no time comes last, as it is written."""
        moment = self.happened_at
        if moment is None:
            return (True, _LAST, self.created)
        return (False, moment, "")

    @property
    def stage(self) -> int:
        """Where it stands among events of the same moment."""
        refund = self.facts.refund
        name = refund.status if refund and self.type.name == "Refund" else self.type.name
        stage = _STAGES.get(name or "")
        return _OUTCOMES.get(self.type.meaning, 0) if stage is None else stage

    @property
    def position(self) -> tuple[bool, datetime, str, int, str, _Content]:
        """Where it stands among others: by the time it states, by its stage, then by what it says."""
        return (*self.told_at, self.stage, self.type.name, _Content(self.facts))

    def means(self, *meanings: Meaning) -> bool:
        """Tell whether the event has one of these meanings for its payment."""
        return self.type.meaning in meanings

    def is_among(self, keys: Collection[str]) -> bool:
        """Tell whether these are of an event that says just this."""
        return not self.copies.isdisjoint(keys) if self.copies else self.key in keys


def tell(events: Collection[Statement]) -> list[Statement]:
    """Return what the events say, in order; events that differ in nothing the rules read are one."""
    if len(events) == 1:
        return list(events)
    moments: dict[tuple[bool, datetime, str], list[Statement]] = {}
    for event in events:
        moments.setdefault(event.told_at, []).append(event)
    return [word for moment in sorted(moments) for word in _words(moments[moment])]


def last(events: Sequence[Statement]) -> Statement:
    """Return the last of some events, in the order of `tell`."""
    return max(events, key=attrgetter("position")) if len(events) > 1 else events[0]


def _words(events: list[Statement]) -> list[Statement]:
    """Return what events of one moment say, in order."""
    # Few moments have several, so hardly any event is asked for more than its time.
    if len(events) == 1:
        return events
    placed = sorted([(event.position, event) for event in events], key=itemgetter(0))
    return [_joined([event for _, event in alike]) for _, alike in groupby(placed, itemgetter(0))]


def _joined(events: Sequence[Statement]) -> Statement:
    if len(events) == 1:
        return events[0]
    first = min(events, key=attrgetter("key"))
    return first._replace(copies=frozenset[str]().union(*(event.keys for event in events)))
