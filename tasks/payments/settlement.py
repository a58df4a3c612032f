"""The money rule: what of a payment is due to a wallet, by which moves, and what keeps it from that."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from tasks.errors import Discarded, PermanentError, PriceListUnusable
from tasks.payments.decision import Decision, DecisionStatus, decide
from tasks.payments.facts import Statement
from tasks.payments.grants import Entry, Grant, GrantStatus, entries_between
from tasks.payments.price_list import AcceptedPriceList
from tasks.payments.purchase import Match

_GRANT_STATUSES: Mapping[DecisionStatus, GrantStatus] = MappingProxyType(
    {
        DecisionStatus.GRANTED: GrantStatus.GRANTED,
        DecisionStatus.SUSPENDED: GrantStatus.SUSPENDED,
        DecisionStatus.REVOKED: GrantStatus.REVOKED,
    }
)


@dataclass(frozen=True, slots=True)
class Payment:
    """All that is known of a payment."""

    id: str
    events: Collection[Statement]
    #: What is held of it, by item.
    held: Mapping[str, Grant] = field(default_factory=dict)
    #: An operator's word on what it bought.
    match: Match | None = None
    #: The keys of its events that an operator has given up.
    discarded: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a payment comes to."""

    decision: Decision
    #: What wallets should hold of it, by item.
    due: Mapping[str, Grant]
    #: The moves from what is held to that.
    moves: Sequence[Entry]
    #: What keeps it from being granted.
    refusal: PermanentError | None
    #: The accepted list by which its price was checked, or None where no price had to be.
    price_list_id: int | None

    @property
    def refused(self) -> Statement | None:
        """The event that paid, where it cannot be granted."""
        return self.decision.paid if self.refusal else None

    @property
    def status(self) -> DecisionStatus:
        """What the payment comes to, as it is shown."""
        return DecisionStatus.REFUSED if self.refusal and not self.due else self.decision.status


def settle(payment: Payment, prices: AcceptedPriceList | None, now: datetime) -> Settlement:
    """Return what the payment comes to; `now` is when it was paid where no event states that.

    Raises PriceListUnusable if a price must be checked and `prices` is None: no list was ever accepted.
    """
    decision = decide(payment.events, payment.match)
    due, refusal, price_list_id = _due(payment, decision, prices, now)
    if not payment.held and decision.paid and decision.paid.key in payment.discarded:
        due, refusal = {}, Discarded("An operator has discarded what was paid for.")
    moves = entries_between(payment.held, due) if decision.cause else []
    return Settlement(decision, due, moves, refusal, price_list_id)


def _due(
    payment: Payment, decision: Decision, prices: AcceptedPriceList | None, now: datetime
) -> tuple[Mapping[str, Grant], PermanentError | None, int | None]:
    status = _GRANT_STATUSES.get(decision.status)
    price_list_id = None
    if status is None:
        return {}, None, None
    try:
        purchase = decision.purchase
        if purchase is None:
            return {}, None, None
        grant = Grant(payment.id, purchase.item, purchase.wallet, purchase.quantity, status)
        before = payment.held.get(grant.item)
        # What is held was checked when it was granted; a later price is no reason to take it.
        if before is None or replace(before, status=status) != grant:
            if prices is None:
                raise PriceListUnusable("No price list was ever accepted; run `coinflowctl catalog apply`.")
            price_list_id = prices.id
            price, paid_at = purchase.price, purchase.paid_at or now
            prices.check(grant.item, grant.quantity, price.cents, price.currency, paid_at)
    except PermanentError as refusal:
        if status is GrantStatus.GRANTED:
            return payment.held, refusal, price_list_id
        # A dispute or a loss holds for whatever was granted before; what never will be needs no granting.
        left = {item: replace(grant, status=status) for item, grant in payment.held.items()}
        return left, refusal if status is GrantStatus.SUSPENDED else None, price_list_id
    return {grant.item: grant}, None, price_list_id
