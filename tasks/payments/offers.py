"""Offers: what a payment may have bought, each an event that pays and what it may have paid for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tasks.coinflow.event_types import Meaning
from tasks.errors import ItemMissing, PayloadInvalid, PermanentError, PriceMismatch, QuantityInvalid
from tasks.payments.facts import MOST, Named
from tasks.payments.story import Statement

#: What a person can accept all the same.
ACCEPTABLE = (PriceMismatch, PayloadInvalid)


@dataclass(frozen=True, slots=True)
class Offer:
    """An event that pays, and what it may have paid for."""

    paid: Statement
    item: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether an event pays for what it is offered for."""

    #: Why it does not, or None.
    refusal: PermanentError | None
    #: In which its amount counts.
    currency: str
    #: Whether what goes back in part takes whole units.
    proportional: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The event that stands for a payment, and what it paid for."""

    paid: Statement
    #: None: nothing names an item, or what is named is none.
    offer: Offer | None
    ruling: Ruling


def choose(
    story: Sequence[Statement],
    named: Named | None,
    ruling_on: Callable[[Offer], Ruling],
    currency: str,
    *,
    accepts_price: bool,
) -> Choice | None:
    """Return what the payment bought, or what is wrong with the first thing it may have bought; None: unpaid.

    `named` is a person's word on what was bought, which takes nothing if it cannot be granted. `currency` is
    that of amounts that name none. Of several events that pay, the earliest does; parts are never added up,
    for one part told twice would look the same. If none does and a person `accepts_price`, the one of the
    largest amount does.
    """
    paying = [event for event in story if event.means(Meaning.PAID)]
    choices: list[Choice] = []
    for offered in ([(paid, named) for paid in paying] if named else [], _offered(story, paying)):
        judged = [_judged(paid, each, ruling_on, currency) for paid, each in offered]
        if found := _bought(judged, accepts_price=accepts_price):
            return found
        choices += judged
    if choices:
        return choices[0]
    # Nothing names what was bought.
    readable = [Choice(event, None, Ruling(None, currency)) for event in paying if event.facts.price]
    faults = [
        Choice(event, None, Ruling(PayloadInvalid(event.facts.fault), currency))
        for event in paying
        if not event.facts.price
    ]
    return next(iter([*readable, *faults]), None)


def _bought(choices: Sequence[Choice], *, accepts_price: bool) -> Choice | None:
    if pays := next((each for each in choices if each.ruling.refusal is None), None):
        return pays
    short = [each for each in choices if isinstance(each.ruling.refusal, ACCEPTABLE)]
    if not accepts_price or not short:
        return None
    best = max(short, key=lambda each: each.paid.facts.price.cents if each.paid.facts.price else -1)
    return replace(best, ruling=replace(best.ruling, refusal=None))


def _offered(story: Sequence[Statement], paying: Sequence[Statement]) -> list[tuple[Statement, Named]]:
    """Return the events that pay, each with what it may have paid for.

    An event's own word goes before those of others: crypto pay-ins carry no `webhookInfo`, but an event
    before or after them may.
    """
    names = list(dict.fromkeys(each.facts.named for each in story if each.facts.named))
    return [(paid, each) for paid in paying for each in ([paid.facts.named] if paid.facts.named else names)]


def _judged(paid: Statement, named: Named, ruling_on: Callable[[Offer], Ruling], currency: str) -> Choice:
    fault: PermanentError | None = None
    if not named.item:
        fault = ItemMissing('webhookInfo: expected {"item": "<name>"}.')
    elif named.quantity is None:
        fault = QuantityInvalid(f"webhookInfo.quantity: expected a whole number from 1 to {MOST}.")
    if fault or not named.item or named.quantity is None:
        return Choice(paid, None, Ruling(fault, currency))
    offer = Offer(paid, named.item, named.quantity)
    return Choice(paid, offer, ruling_on(offer))
