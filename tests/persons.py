"""What persons may say of a payment, each at some moment while its events are delivered."""

from collections.abc import Sequence
from random import Random
from typing import Literal, get_args

from tests.lives import Packet
from tests.model.reading import words
from tests.model.resolutions import Resolution
from tests.model.verdicts import Prices

Kind = Literal["item", "wallet", "accept_price", "revoke", "restore", "done"]


def resolutions(
    random: Random, delivered: Sequence[Packet], prices: Prices, *, most: int = 3
) -> list[Resolution]:
    """Return what was said, in this order, while the packets came in theirs."""
    moments = sorted(random.randint(0, len(delivered)) for _ in range(random.randint(1, most)))
    return [_resolution(random, delivered[:moment], delivered, prices) for moment in moments]


def _resolution(
    random: Random, known: Sequence[Packet], delivered: Sequence[Packet], prices: Prices
) -> Resolution:
    kind = random.choice(get_args(Kind))
    if kind == "item":
        item, quantity = _bought(random, delivered, prices)
        return Resolution(kind, item=item, quantity=quantity, known=tuple(known))
    wallet = random.choice(["bob", "carol"]) if kind == "wallet" else None
    return Resolution(kind, wallet=wallet, known=tuple(known))


def _bought(random: Random, delivered: Sequence[Packet], prices: Prices) -> tuple[str, int]:
    """Return what may have been bought: mostly something at the price of what was paid."""
    fitting = [
        (item, word.paid.cents // cents)
        for word in words(delivered)
        for item, (cents, _, _) in prices.items()
        if word.paid and word.paid.cents and word.paid.cents % cents == 0
    ]
    if fitting and random.randrange(4):
        return random.choice(fitting)
    return random.choice([*prices, "shield"]), random.randint(1, 3)
