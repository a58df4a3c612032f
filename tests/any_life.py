"""Lives of payments in which anything may happen: disagreeing words, retellings, wrong and unreadable ones.

Nobody knows their end beforehand; `tests.oracle` tells it.
"""

from collections.abc import Iterator, Sequence
from random import Random

from tests.disguises import disguised, moment_text, restamped
from tests.lives import Packet
from tests.model.reading import word
from tests.payings import paying
from tests.story import Story
from tests.takings import disputing, refunding


def any_life(random: Random, payment_id: str = "pay", wallet: str = "alice") -> list[Packet]:
    """Make up a life; return its events, copies that differ among them."""
    packets = bare_life(random, payment_id, wallet)
    return [*packets, *copies(random, packets)]


def bare_life(random: Random, payment_id: str = "pay", wallet: str = "alice") -> list[Packet]:
    """Make up a life; return its events, each once.

    Moments are distinct but where the life cycle orders what happened at the same one.
    """
    story = Story(random, payment_id, wallet)
    is_paid = story.likely(88)
    if is_paid:
        story.strands += paying(story)
    else:
        story.strands.append([story.event("Card Payment Authorized")])
    if story.likely(45 if is_paid else 30):
        story.strands += disputing(story)
    if story.likely(50 if is_paid else 20):
        story.strands += refunding(story)
    if story.likely(15):
        story.strands.append([story.event("Disbursed Funds")])
    story.strands += _strays(story)
    packets = list(_timed(random, story.strands))
    if story.likely(3):
        # One such event alone: the order of two would be that of their content.
        random.choice(packets)["created"] = random.choice(["soon", "", "2026-13-01T10:00:00Z"])
    return packets


def copies(random: Random, packets: Sequence[Packet]) -> Iterator[Packet]:
    """Yield copies of some of a life's events, which make no other end of it."""
    for place, packet in enumerate(packets):
        if random.random() < 0.15:
            yield disguised(random, packet)
        if random.random() < 0.05:
            yield restamped(random, packet, place + 1)


def _strays(story: Story) -> Iterator[list[Packet]]:
    chances = {
        "ACH Returned": 4,
        "Crypto Overpayment": 5,
        "Crypto Underpayment": 7,
        "Payment Expiration": 5,
        "Reserve Released": 5,
    }
    for kind, percent in chances.items():
        if story.likely(percent):
            yield [story.event(kind, names=story.likely(50))]


def _timed(random: Random, strands: Sequence[Sequence[Packet]]) -> Iterator[Packet]:
    """Yield the events of all strands, each strand in its order."""
    left = [list(strand) for strand in strands if strand]
    moment, last = 0, None
    while left:
        strand = random.choice(left)
        packet = strand.pop(0)
        is_tie = last is not None and last[0] is strand and _is_ordered(last[1], packet)
        if not (is_tie and random.randrange(3) == 0):
            moment += random.choice([1_000, 999_000, 86_400_000])
        packet["created"] = moment_text(random, moment)
        yield packet
        last = (strand, packet)
        left = [each for each in left if each]


def _is_ordered(before: Packet, after: Packet) -> bool:
    """Tell whether the life cycle alone says which came first."""
    first, then = word(before), word(after)
    return first is not None and then is not None and 0 < first.stage < then.stage
