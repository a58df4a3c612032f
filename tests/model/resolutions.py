"""Resolutions: what persons said of a payment, one after another."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.model.reading import Packet, Word, canonical, words
from tests.model.values import Name


@dataclass(frozen=True)
class Resolution:
    kind: Literal["item", "wallet", "accept_price", "revoke", "restore", "done"]
    item: str | None = None
    quantity: int = 1
    wallet: str | None = None
    #: The packets that were stored when it was said.
    known: Sequence[Packet] = field(default=(), repr=False)


@dataclass(frozen=True)
class Said:
    """What counts of all that was said."""

    item: Name | None
    wallet: str | None
    accepts_price: bool
    is_revoked: bool
    #: The words that were known at a `restore`.
    answered: Collection[Word]
    #: Nobody needs to look at the payment.
    is_done: bool


def said(resolutions: Sequence[Resolution], packets: Collection[Packet]) -> Said:
    of = {each.kind: each for each in resolutions}
    is_revoked = False
    for each in resolutions:
        is_revoked = each.kind == "revoke" or (is_revoked and each.kind == "done")
    log = {canonical(packet) for packet in packets}
    return Said(
        item=Name(of["item"].item, of["item"].quantity) if "item" in of else None,
        wallet=of["wallet"].wallet if "wallet" in of else None,
        accepts_price="accept_price" in of,
        is_revoked=is_revoked,
        answered={word for each in resolutions if each.kind == "restore" for word in words(each.known)},
        is_done=any(
            log <= {canonical(packet) for packet in each.known} for each in resolutions if each.kind == "done"
        ),
    )
