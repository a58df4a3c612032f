"""What a wallet should hold of a payment, decided from all that is known of it.

The function folds a set: the order in which events came and the number of copies cannot matter. Coinflow's
pages leave questions open; these are the answers chosen, beside those in `tasks.payments.refunds`,
`tasks.payments.disputes` and `tasks.payments.reversal`:

- Only an event that says that the merchant has the money pays: `Settled`, `USDC Payment Received`,
  `Crypto Payin Funds Received`. An authorisation never does, and an event that closes an attempt (declined,
  voided, failed, expired) takes nothing back from a payment that settled all the same.
- Several paying events of one payment are one payment. One that pays its price is enough; of several, the
  earliest by `created` does.
- A person's word goes before all others.
- The item, and the customer, may be named by any event of the payment; the paying event's word goes first.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Self

from tasks.errors import Discarded, PermanentError, WalletInvalid
from tasks.payments.attention import note_on_differing, note_on_refusal, notes_on_paid, notes_on_unpaid
from tasks.payments.facts import Money
from tasks.payments.named import Named
from tasks.payments.note import Note, NoteReason
from tasks.payments.offers import Choice, Offer, Ruling, choose
from tasks.payments.purchase import Purchase, checked_wallet
from tasks.payments.resolution import Resolution, Resolved, resolve
from tasks.payments.reversal import Reversal, reversal
from tasks.payments.sale import Sale
from tasks.payments.states import DecisionStatus
from tasks.payments.story import Statement, last, tell


class Decision(NamedTuple):
    """What the wallet should hold of a payment, and why."""

    status: DecisionStatus = DecisionStatus.NOTHING
    #: The event that pays, or None.
    paid: Statement | None = None
    #: What it says was paid, in the currency in which that counts; or None.
    price: Money | None = None
    #: What is named for what it paid for, or None.
    named: Named | None = None
    #: What was bought, or None while that is unknown or refused.
    purchase: Purchase | None = None
    #: How many of each of its items are left.
    left: Mapping[str, int] = MappingProxyType({})
    #: Why what was paid cannot be granted, or None.
    refusal: PermanentError | None = None
    #: A dispute is open, or the amount is incomplete, whatever else keeps it from being granted.
    is_held_back: bool = False
    #: Whose it is: the customer that the events name, a recipient, or whom a person names; or None.
    wallet: str | None = None
    #: The customer that the events name, where somebody else gets it; or None.
    payer: str | None = None
    #: The event that brought the status about.
    cause: Statement | None = None
    #: What refunds have brought back to the buyer.
    refunded_cents: int = 0
    #: What a person should look at.
    notes: tuple[Note, ...] = ()
    #: A person has looked at all of it.
    is_done: bool = False

    def filtered(self) -> Self:
        """Return it for a payment that is not the price list's: it grants nothing, and nobody looks at it."""
        return self._replace(
            status=DecisionStatus.FILTERED,
            purchase=None,
            left={},
            refusal=None,
            notes=(),
            is_done=False,
        )

    def given_up(self) -> Self:
        """Return it for what an operator has given up: nobody needs to look at the refusal any more."""
        notes = tuple(note for note in self.notes if note.reason is not NoteReason.REFUSED)
        return self._replace(refusal=Discarded(), notes=notes)

    def held_up(self, note: Note) -> Self:
        """Return it for what is paid again after it was given up: it grants nothing until a person speaks."""
        answered = (NoteReason.REFUSED, NoteReason.UNMATCHED, NoteReason.AMOUNTS_DIFFER)
        notes = (note, *(each for each in self.notes if each.reason not in answered))
        return self._replace(
            status=DecisionStatus.REFUSED,
            purchase=None,
            left={},
            refusal=Discarded(note.message),
            notes=notes,
        )


def decide(
    events: Collection[Statement],
    ruling_on: Callable[[Offer], Ruling],
    resolutions: Sequence[Resolution] = (),
    default_currency: str = "USD",
    ordered: Named | None = None,
) -> Decision:
    """Return what the payment's wallet should hold now.

    `ruling_on` tells whether an offer is paid, `resolutions` are persons' words in order; `ordered` is what
    the merchant's own order function says. An amount that names no currency is one of `default_currency`.
    """
    story, resolved = tell(events), resolve(resolutions)
    is_done = bool(events) and all(event.key in resolved.done for event in events)
    choice = choose(story, resolved, ordered, ruling_on, default_currency)
    if choice is None:
        notes = notes_on_unpaid(story, default_currency, resolved.answered)
        return Decision(notes=tuple(notes), is_done=is_done)
    payer = next((event.facts.customer for event in [choice.paid, *story] if event.facts.customer), None)
    wallet = resolved.wallet or _recipient(choice, payer)
    sale = _sale(choice)
    purchase, refusal = _purchase(choice, sale, wallet)
    gone = reversal(story, sale, resolved.answered)
    status, refusal = _status(gone, resolved, purchase, refusal)
    is_revoked = status is DecisionStatus.REVOKED
    notes = notes_on_paid(story, sale, gone, is_bought=purchase is not None, is_revoked=is_revoked)
    return Decision(
        status=status,
        paid=choice.paid,
        price=_price(choice, sale.currency),
        named=choice.named,
        purchase=purchase,
        left=sale.granted(gone.left) if purchase else {},
        refusal=refusal,
        is_held_back=bool(gone.holding),
        wallet=wallet,
        payer=payer if payer != wallet else None,
        cause=_cause(status, choice.paid, gone),
        refunded_cents=gone.refunds.cents,
        notes=(*_first_notes(status, purchase, refusal, story, default_currency), *notes),
        is_done=is_done,
    )


def _recipient(choice: Choice, payer: str | None) -> str | None:
    named = choice.named.recipient if choice.named and choice.ruling.is_gift else None
    return payer if named is None else named


def _price(choice: Choice, currency: str) -> Money | None:
    paid = choice.paid.facts.price
    return Money(cents=paid.cents, currency=currency) if paid else None


def _sale(choice: Choice) -> Sale:
    price, ruling = choice.paid.facts.price, choice.ruling
    currency = (price.currency if price else None) or ruling.currency
    return Sale(price.cents - ruling.over if price else None, currency, ruling.lines, ruling.over)


def _purchase(
    choice: Choice, sale: Sale, wallet: str | None
) -> tuple[Purchase | None, PermanentError | None]:
    if choice.ruling.refusal or choice.named is None:
        return None, choice.ruling.refusal
    try:
        return Purchase(checked_wallet(wallet), sale.granted(sale.all)), None
    except WalletInvalid as refusal:
        return None, refusal


def _status(
    gone: Reversal, resolved: Resolved, purchase: Purchase | None, refusal: PermanentError | None
) -> tuple[DecisionStatus, PermanentError | None]:
    """Return the status, and the refusal unless the money is gone: then nothing is left to be granted."""
    if resolved.revokes or gone.is_whole:
        return DecisionStatus.REVOKED, None
    if refusal:
        return DecisionStatus.REFUSED, refusal
    if gone.holding:
        return DecisionStatus.SUSPENDED, None
    return DecisionStatus.GRANTED if purchase else DecisionStatus.UNMATCHED, None


def _cause(status: DecisionStatus, paid: Statement, gone: Reversal) -> Statement:
    causes = gone.holding if status is DecisionStatus.SUSPENDED else [paid, *gone.moved]
    return last(causes)


def _first_notes(
    status: DecisionStatus,
    purchase: Purchase | None,
    refusal: PermanentError | None,
    story: Sequence[Statement],
    currency: str,
) -> Sequence[Note]:
    """Return what to look at of what can be granted or cannot, whatever has gone back."""
    if refusal:
        return [note_on_refusal(refusal, story, currency)]
    if status is DecisionStatus.UNMATCHED:
        return [Note(reason=NoteReason.UNMATCHED, message="Paid, and no event names the item.")]
    is_kept = purchase is not None and status is not DecisionStatus.REVOKED
    return note_on_differing(story, currency) if is_kept else []
