"""The money rule: what of a payment is due to a wallet, by which moves, and what keeps it from that."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from tasks.errors import LimitReached, PermanentError
from tasks.payments.attention import note_on_held
from tasks.payments.claims import Claim, claims_of
from tasks.payments.decision import Decision, decide
from tasks.payments.discards import heed_discards
from tasks.payments.grants import Entry, Grant, entries_between
from tasks.payments.offers import Ruling
from tasks.payments.order import named_by
from tasks.payments.payment import Payment
from tasks.payments.pricing import Pricing, Terms
from tasks.payments.states import DecisionStatus, GrantStatus, ResolutionKind
from tasks.payments.story import Statement
from tasks.payments.verdict import Verdict

_GRANT_STATUSES: Mapping[DecisionStatus, GrantStatus] = MappingProxyType(
    {
        DecisionStatus.GRANTED: GrantStatus.GRANTED,
        DecisionStatus.SUSPENDED: GrantStatus.SUSPENDED,
        DecisionStatus.REVOKED: GrantStatus.REVOKED,
    }
)


class Settlement(NamedTuple):
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
    #: What it takes of limits, whoever else has taken of them.
    claims: Sequence[Claim] = ()

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
        statuses = {grant.status for grant in self.due.values()}
        return DecisionStatus(next(each for each in GrantStatus if each in statuses))


def settle(payment: Payment, terms: Terms, taken: Callable[[Claim], int] | None = None) -> Settlement:
    """Return what the payment comes to.

    `taken` tells how much of a claim's limit other payments have taken; without it the claims are left to be
    judged. Raises PriceListUnusable if a price must be checked and `terms` has no list.
    """
    pricing = Pricing(payment, terms)
    decision = _decided(payment, pricing, terms)
    claims = claims_of(payment, decision, terms)
    while taken and (
        reached := next((each for each in claims if taken(each) + each.quantity > each.most), None)
    ):
        pricing.refuse(decision, LimitReached(str(reached)))
        decision = _decided(payment, pricing, terms)
        claims = claims_of(payment, decision, terms)
    decision = _with_held(payment, decision)
    due = _due(payment, decision)
    moves = entries_between(payment.held, due) if decision.cause else []
    return Settlement(decision, due, moves, pricing.verdicts, pricing.price_list_id, claims)


def _decided(payment: Payment, pricing: Pricing, terms: Terms) -> Decision:
    if pricing.is_filtered:
        unpriced = Ruling(None, terms.default_currency)
        return decide(payment.events, lambda _: unpriced, (), terms.default_currency).filtered()
    ordered = named_by(payment.order)
    decision = decide(payment.events, pricing.ruling_on, payment.resolutions, terms.default_currency, ordered)
    # What a former release has granted beside a discard stays.
    discarded = {} if payment.held and not decision.refusal else payment.discarded
    return heed_discards(decision, payment.events, discarded, payment.resolutions)


def _with_held(payment: Payment, decision: Decision) -> Decision:
    """Ask for a person where something is held that nobody has paid: a word on what could not be read yet."""
    is_paid = decision.status is not DecisionStatus.NOTHING
    if is_paid or all(each.status is GrantStatus.REVOKED for each in payment.held.values()):
        return decision
    last_word = payment.resolutions[-1].kind if payment.resolutions else None
    # Where no event counts, none can say that it came after that word.
    is_done = decision.is_done or (not payment.events and last_word is ResolutionKind.DONE)
    return decision._replace(notes=(*decision.notes, note_on_held()), is_done=is_done)


def _due(payment: Payment, decision: Decision) -> Mapping[str, Grant]:
    purchase, status = decision.purchase, _GRANT_STATUSES.get(decision.status)
    if purchase and status:
        return {
            item: _grant(Grant(payment.id, item, purchase.wallet, bought, status), decision.left[item])
            for item, bought in purchase.items.items()
        }
    if decision.paid is None:
        return {}
    # What was granted before a person's word that is refused stays, as far as the money does.
    left = GrantStatus.SUSPENDED if decision.is_held_back else GrantStatus.GRANTED
    status = GrantStatus.REVOKED if decision.status is DecisionStatus.REVOKED else left
    return {item: grant._replace(status=status) for item, grant in payment.held.items()}


def _grant(bought: Grant, left: int) -> Grant:
    """Return what is due of a line: what is left of it, or all of it, revoked."""
    if bought.status is not GrantStatus.REVOKED and left:
        return bought._replace(quantity=left)
    return bought._replace(status=GrantStatus.REVOKED)
