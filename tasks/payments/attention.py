"""Attention: what a person should look at, each thing as a note with its reason."""

from collections.abc import Collection, Sequence

from tasks.coinflow.event_types import Family, Meaning
from tasks.errors import PermanentError
from tasks.payments.disputes import disputes
from tasks.payments.note import Note, NoteReason
from tasks.payments.reversal import Reversal
from tasks.payments.sale import Sale
from tasks.payments.story import Statement


def notes_on_unpaid(story: Sequence[Statement], currency: str, answered: Collection[str]) -> list[Note]:
    """Return what to look at of a payment that no event pays; `answered` is what a person has restored.

    `currency` is that of amounts that name none.
    """
    notes = [*_unreadable(story), *_sent(story)]
    against = [event for event in story if _is_against(event)]
    if against:
        message = f"{against[-1].type.name} of a payment that no event says was paid."
        opened = [each.opened for each in disputes(story, currency, answered) if each.opened]
        notes.append(Note(reason=NoteReason.UNPAID, message=message, respond_by_date=_soonest(opened)))
    if any(event.type.family is Family.DISBURSED for event in story):
        message = "Money was disbursed, and no event says that it was paid."
        notes.append(Note(reason=NoteReason.DISBURSED, message=message))
    return notes


def notes_on_paid(
    story: Sequence[Statement], sale: Sale, gone: Reversal, *, is_bought: bool, is_revoked: bool
) -> list[Note]:
    """Return what to look at of a payment that was paid, but for why it cannot be granted.

    It `is_bought` where the item is known and its price was paid.
    """
    notes = [*_unreadable(story), *_disputed(gone)]
    if gone.refunds.has_incomparable:
        message = "A refund states its amount in no currency in which it can be compared with the payment."
        notes.append(Note(reason=NoteReason.REFUND_CURRENCY, message=message))
    differs = is_bought and gone.left != gone.left_otherwise
    if differs or any(each.is_retold for each in gone.disputes):
        message = "A refund or a dispute was told again at another time; it is counted once."
        notes.append(Note(reason=NoteReason.RETOLD, message=message))
    if is_revoked:
        return notes
    if gone.gone > 0:
        paid = "an amount that cannot be read" if sale.cents is None else f"{sale.cents + sale.over} cents"
        message = f"{gone.gone} of {paid} {sale.currency} have gone back."
        notes.append(Note(reason=NoteReason.PARTLY_REFUNDED, message=message))
    sent = _sent(story)
    if is_bought and sale.over and all(note.reason is not NoteReason.OVERPAID for note in sent):
        message = f"{sale.over} cents {sale.currency} more were paid than asked."
        sent = [*sent, Note(reason=NoteReason.OVERPAID, message=message)]
    return [*notes, *sent]


def note_on_held() -> Note:
    """Return the note on what is held of a payment that no event pays, such as another merchant's."""
    message = "No event that counts says that it was paid, and a person's word has granted it before."
    return Note(reason=NoteReason.UNPAID, message=message)


def note_on_differing(story: Sequence[Statement], currency: str) -> list[Note]:
    """Return the note on what was bought by one of several events that state different amounts, or none.

    `currency` is that of amounts that name none.
    """
    differ = len(_amounts(story, currency)) > 1
    return [Note(reason=NoteReason.AMOUNTS_DIFFER, message=_parts(story))] if differ else []


def note_on_refusal(refusal: PermanentError, story: Sequence[Statement], currency: str) -> Note:
    """Return the note on what was paid and cannot be granted; `currency` is that of amounts without one."""
    parts = f" {_parts(story)}" if len(_amounts(story, currency)) > 1 else ""
    return Note(reason=NoteReason.REFUSED, message=f"{refusal}{parts}")


def _is_against(event: Statement) -> bool:
    """Tell whether an event is about money that goes back, or may."""
    return bool(event.facts.dispute or event.facts.refund) or (
        event.means(Meaning.REVOKES) and not event.facts.fault
    )


def _disputed(gone: Reversal) -> list[Note]:
    opened = [each.opened for each in gone.disputes if each.opened]
    if not opened:
        return []
    message = "A dispute is open; answer it in Coinflow's dashboard."
    return [Note(reason=NoteReason.DISPUTE, message=message, respond_by_date=_soonest(opened))]


def _amounts(story: Sequence[Statement], currency: str) -> Collection[tuple[int, str]]:
    prices = [event.facts.price for event in story if event.facts.price]
    return {(price.cents, price.currency or currency) for price in prices}


def _parts(story: Sequence[Statement]) -> str:
    parts = [
        f"{event.facts.price.cents} cents {event.facts.price.currency or ''}".rstrip()
        + f" ({event.type.name}, {event.created})"
        for event in story
        if event.facts.price
    ]
    return f"Its events say that it was paid by {', and by '.join(parts)}."


def _unreadable(story: Sequence[Statement]) -> list[Note]:
    faults = [
        f"{event.type.name} cannot be read: {event.facts.fault}" for event in story if event.facts.fault
    ]
    return [Note(reason=NoteReason.UNREADABLE, message=message) for message in dict.fromkeys(faults)]


def _sent(story: Sequence[Statement]) -> list[Note]:
    reasons = {"Crypto Overpayment": NoteReason.OVERPAID, "Crypto Underpayment": NoteReason.UNDERPAID}
    told = dict.fromkeys(event.type.name for event in story if event.type.name in reasons)
    return [
        Note(reason=reasons[name], message=f"The buyer sent another amount than asked: {name}.")
        for name in told
    ]


def _soonest(opened: Sequence[Statement]) -> str | None:
    """Return the soonest date by which one of these must be answered."""
    dates = [event.facts.dispute.respond_by_date for event in opened if event.facts.dispute]
    return min((date for date in dates if date), default=None)
