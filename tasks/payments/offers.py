"""Offers: what a payment may have bought, each an event that pays and what it may have paid for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from tasks.coinflow.event_types import Meaning
from tasks.errors import (
    CouponInvalid,
    ItemMissing,
    ItemUnknown,
    Overpaid,
    PayloadInvalid,
    PermanentError,
    PriceMismatch,
    QuantityInvalid,
)
from tasks.payments.named import MOST, Named
from tasks.payments.quote import QuotedLine
from tasks.payments.resolution import Resolved
from tasks.payments.story import Statement

#: What a person can accept all the same.
ACCEPTABLE = (PriceMismatch, PayloadInvalid, CouponInvalid)


class Offer(NamedTuple):
    """An event that pays, and what it may have paid for."""

    paid: Statement
    named: Named


class Ruling(NamedTuple):
    """Whether an event pays for what it is offered for."""

    #: Why it does not, or None.
    refusal: PermanentError | None
    #: In which its amount counts.
    currency: str
    #: What is bought, at the price that was asked for it; empty where that is unknown.
    lines: tuple[QuotedLine, ...] = ()
    #: Cents above that price.
    over: int = 0
    #: A recipient gets it instead of who pays.
    is_gift: bool = False


class Choice(NamedTuple):
    """The event that stands for a payment, and what it paid for."""

    paid: Statement
    #: None: nothing is named.
    named: Named | None
    ruling: Ruling


def choose(
    story: Sequence[Statement],
    resolved: Resolved,
    ordered: Named | None,
    ruling_on: Callable[[Offer], Ruling],
    currency: str,
) -> Choice | None:
    """Return what the payment bought, or what is wrong with the first thing it may have bought; None: unpaid.

    A person's word on what was bought goes first, and takes nothing if it cannot be granted; `ordered` is the
    merchant's own, where the events name nothing. `currency` is that of amounts that name none.
    Of several events that pay, the earliest does; parts are never added up, for one part told twice would
    look the same. If none does and a person accepts the price, the one of the largest amount does.
    """
    paying = [event for event in story if event.means(Meaning.PAID)]
    is_overpaid = any(event.type.name == "Crypto Overpayment" and not event.facts.fault for event in story)

    def judged(offered: Iterable[tuple[Statement, Named]]) -> list[Choice]:
        choices = []
        for paid, named in offered:
            choice = _judged(paid, named, ruling_on, currency)
            if is_overpaid and isinstance(choice.ruling.refusal, Overpaid):
                choice = _allowed(choice)
            choices.append(choice)
            if choice.ruling.refusal is None:
                # It is taken. A payment may have hundreds of others, and nobody needs to know their price.
                break
        return choices

    said = judged((paid, resolved.named) for paid in paying) if resolved.named else []
    if found := _bought(said, accepts_price=resolved.accepts_price):
        return found
    told = [each for each in judged(_offered(story, paying)) if not _is_strange_plan(each)]
    if not told and ordered:
        told = judged((paid, ordered) for paid in paying)
    if found := _bought(told, accepts_price=resolved.accepts_price):
        return found
    if choices := [*said, *told]:
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
    return _allowed(max(short, key=lambda each: each.paid.facts.price.cents if each.paid.facts.price else -1))


def _allowed(choice: Choice) -> Choice:
    return choice._replace(ruling=choice.ruling._replace(refusal=None))


def _offered(story: Sequence[Statement], paying: Sequence[Statement]) -> Iterator[tuple[Statement, Named]]:
    """Yield the events that pay, each with what it may have paid for.

    An event's own word goes before those of others: crypto pay-ins carry no `webhookInfo`, but an event
    before or after them may.
    """
    others: list[Named] | None = None
    for paid in paying:
        names = _names(paid)
        if not names:
            if others is None:
                others = list(dict.fromkeys(each for event in story for each in _names(event)))
            names = others
        yield from ((paid, each) for each in names)


def _names(event: Statement) -> list[Named]:
    """Return what an event names: its own word, and where it has none, the subscription's."""
    named, cycle = event.facts.named, event.facts.cycle
    if named and not named.plan:
        return [named]
    if cycle is None:
        return [named] if named else []
    by_code = Named(plan=cycle.plan) if cycle.plan else None
    return [each for each in (by_code, cycle.named, named) if each]


def _is_strange_plan(choice: Choice) -> bool:
    """Tell whether it is by a plan of Coinflow's that the price list does not know: that names nothing."""
    named, cycle = choice.named, choice.paid.facts.cycle
    is_by_code = named is not None and cycle is not None and named == Named(plan=cycle.plan)
    return is_by_code and choice.paid.facts.named is None and isinstance(choice.ruling.refusal, ItemUnknown)


def _judged(paid: Statement, named: Named, ruling_on: Callable[[Offer], Ruling], currency: str) -> Choice:
    fault = _fault(named)
    ruling = Ruling(fault, currency) if fault else ruling_on(Offer(paid, named))
    return Choice(paid, named, ruling)


def _fault(named: Named) -> PermanentError | None:
    """Return why nobody can tell what is named, whatever a list holds, or None."""
    lines = named.lines
    if named.fault or any(not line.item for line in lines):
        return ItemMissing(named.fault or 'webhookInfo: expected {"item": "<name>"}.')
    if any(line.quantity is None for line in lines):
        return QuantityInvalid(f"webhookInfo.quantity: expected a whole number from 1 to {MOST}.")
    return None
