"""The money rule: what of a payment is due to a wallet, by which moves, and what keeps it from that."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from tasks.errors import PermanentError
from tasks.payments.decision import Decision, DecisionStatus, decide
from tasks.payments.grants import Entry, Grant, GrantStatus, entries_between
from tasks.payments.payment import Payment
from tasks.payments.pricing import Pricing, Terms
from tasks.payments.story import Statement
from tasks.payments.verdict import Verdict

_GRANT_STATUSES: Mapping[DecisionStatus, GrantStatus] = MappingProxyType(
    {
        DecisionStatus.GRANTED: GrantStatus.GRANTED,
        DecisionStatus.SUSPENDED: GrantStatus.SUSPENDED,
        DecisionStatus.REVOKED: GrantStatus.REVOKED,
    }
)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a payment comes to."""

    decision: Decision
    #: What wallets should hold of it, by item.
    due: Mapping[str, Grant]
    #: The moves from what is held to that.
    moves: Sequence[Entry]
    #: All verdicts on it, those made now among them.
    verdicts: Collection[Verdict]
    #: The accepted list by which something was priced now, or None where nothing had to be.
    price_list_id: int | None

    @property
    def refusal(self) -> PermanentError | None:
        """What keeps it from being granted."""
        return self.decision.refusal

    @property
    def refused(self) -> Statement | None:
        """The event that paid, where it cannot be granted."""
        return self.decision.paid if self.refusal else None

    @property
    def status(self) -> DecisionStatus:
        """What the payment comes to, as it is shown: what was granted before a refusal stays granted."""
        if self.decision.status is not DecisionStatus.REFUSED or not self.due:
            return self.decision.status
        return DecisionStatus(next(iter(self.due.values())).status)


def settle(payment: Payment, terms: Terms) -> Settlement:
    """Return what the payment comes to.

    Raises PriceListUnusable if a price must be checked and `terms` has no list: none was ever accepted.
    """
    pricing = Pricing(payment, terms)
    decision = decide(payment.events, pricing.ruling_on, payment.resolutions, terms.default_currency)
    if decision.refusal and decision.paid and decision.paid.is_among(payment.discarded):
        decision = decision.given_up()
    due = _due(payment, decision)
    moves = entries_between(payment.held, due) if decision.cause else []
    return Settlement(decision, due, moves, pricing.verdicts, pricing.price_list_id)


def _due(payment: Payment, decision: Decision) -> Mapping[str, Grant]:
    purchase, status = decision.purchase, _GRANT_STATUSES.get(decision.status)
    if purchase and status:
        grant = Grant(payment.id, purchase.item, purchase.wallet, decision.left, status)
        return {grant.item: grant}
    if decision.paid is None:
        return {}
    # What was granted before a person's word that is refused stays, as far as the money does.
    left = GrantStatus.SUSPENDED if decision.is_held_back else GrantStatus.GRANTED
    status = GrantStatus.REVOKED if decision.status is DecisionStatus.REVOKED else left
    return {item: replace(grant, status=status) for item, grant in payment.held.items()}
