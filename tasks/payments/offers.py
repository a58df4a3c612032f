"""Offers: what a payment may have bought, each an event that pays and what it may have paid for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class Offer:
    """An event that pays, and what it may have paid for."""

    paid: Statement
    named: Named


@dataclass(frozen=True, slots=True)
class Ruling:
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


@dataclass(frozen=True, slots=True)
class Choice:
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
        choices = [_judged(paid, each, ruling_on, currency) for paid, each in offered]
        is_over = [is_overpaid and isinstance(each.ruling.refusal, Overpaid) for each in choices]
        return [_allowed(each) if over else each for each, over in zip(choices, is_over, strict=True)]

    said = judged((paid, resolved.named) for paid in paying if resolved.named)
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
    return replace(choice, ruling=replace(choice.ruling, refusal=None))


def _offered(story: Sequence[Statement], paying: Sequence[Statement]) -> list[tuple[Statement, Named]]:
    """Return the events that pay, each with what it may have paid for.

    An event's own word goes before those of others: crypto pay-ins carry no `webhookInfo`, but an event
    before or after them may.
    """
    names = list(dict.fromkeys(each for event in story for each in _names(event)))
    return [(paid, each) for paid in paying for each in (_names(paid) or names)]


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
    fault: PermanentError | None = None
    if named.fault or any(not line.item for line in named.lines):
        fault = ItemMissing(named.fault or 'webhookInfo: expected {"item": "<name>"}.')
    elif any(line.quantity is None for line in named.lines):
        fault = QuantityInvalid(f"webhookInfo.quantity: expected a whole number from 1 to {MOST}.")
    ruling = Ruling(fault, currency) if fault else ruling_on(Offer(paid, named))
    return Choice(paid, named, ruling)
