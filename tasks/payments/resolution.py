"""Resolutions: a person's words on a payment, which go before what its events say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.payments.named import Named
from tasks.payments.states import ResolutionKind


@dataclass(frozen=True, slots=True)
class Resolution:
    """One word of a person's."""

    kind: ResolutionKind
    #: What was bought, where the kind is `ITEM`.
    item: str | None = None
    quantity: int = 1
    #: Whose it is, where the kind is `WALLET` or, if the person says so with it, `ITEM`.
    wallet: str | None = None
    #: The keys of the payment's events that were there when it was said.
    known: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Resolved:
    """What all words of persons come to, the later before the earlier."""

    named: Named | None = None
    wallet: str | None = None
    accepts_price: bool = False
    #: It holds until a later word that speaks for the buyer.
    revokes: bool = False
    #: The keys of events that count no more against the buyer.
    answered: frozenset[str] = frozenset()
    #: The keys of events about which nothing is left to do.
    done: frozenset[str] = frozenset()


_NOTHING = Resolved()


def resolve(resolutions: Sequence[Resolution]) -> Resolved:
    """Return what these words, in the order in which they were said, come to."""
    if not resolutions:
        return _NOTHING
    kinds = ResolutionKind
    said = [each for each in resolutions if each.kind is not kinds.DONE]
    item = next((each for each in reversed(said) if each.kind is kinds.ITEM), None)
    return Resolved(
        named=Named(item=item.item, quantity=item.quantity) if item else None,
        wallet=next((each.wallet for each in reversed(said) if each.wallet), None),
        accepts_price=any(each.kind is kinds.ACCEPT_PRICE for each in said),
        revokes=bool(said) and said[-1].kind is kinds.REVOKE,
        answered=_known(each for each in said if each.kind is kinds.RESTORE),
        done=_known(each for each in resolutions if each.kind is kinds.DONE),
    )


def _known(resolutions: Iterable[Resolution]) -> frozenset[str]:
    return frozenset[str]().union(*(each.known for each in resolutions))
