"""The end of a payment's life, from all that Coinflow sent and persons said: the rules, independently.

Every candidate is priced by one list, which never changes. `order_paid_twice`, which takes other payments,
and what an operator discards are left out.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tests.model.disputes import Dispute, disputes, lost_cents
from tests.model.reading import DISPUTES, PAYING, REFUNDS, Packet, Word, payment_of, words
from tests.model.refunds import GoneBack, gone_back
from tests.model.resolutions import Resolution, Said, said
from tests.model.values import NAME_LENGTH, Amount
from tests.model.verdicts import Choice, Prices, choose

__all__ = ["PRICES", "Ending", "Prices", "Resolution", "ending", "wallet_key"]

#: The items that lives are about.
PRICES: Prices = MappingProxyType(
    {"sword": (500, "USD", False), "potion": (100, "USD", True), "crown": (900, "EUR", True)}
)
_UNLESS_REVOKED = {"partly_refunded", "overpaid", "underpaid", "amounts_differ"}


@dataclass(frozen=True)
class Ending:
    state: str = "nothing"
    #: Of the grant, as are wallet, quantity and status: None where there is none.
    item: str | None = None
    wallet: str | None = None
    #: What is left; of a revoked grant what was bought.
    quantity: int | None = None
    status: str | None = None
    refunded_cents: int = 0
    #: Of what the payment is taken for, or None: nobody has paid, or what was paid is unreadable.
    price_cents: int | None = None
    currency: str | None = None
    notes: frozenset[str] = frozenset()
    #: Why it is refused: the name of the error.
    why: str | None = None

    @property
    def usable(self) -> int:
        """How many units the wallet's owner may use."""
        return (self.quantity or 0) if self.status == "granted" else 0


def ending(
    packets: Iterable[Packet],
    resolutions: Sequence[Resolution] = (),
    prices: Prices = PRICES,
    default_currency: str = "USD",
) -> Ending:
    """Return what one payment comes to; order and copies of the packets make no difference."""
    log = [packet for packet in packets if payment_of(packet) is not None]
    assert len({payment_of(packet) for packet in log}) <= 1
    story, persons = words(log), said(resolutions, log)
    if not any(word.type in PAYING for word in story):
        notes = _notes(story) | _unpaid_notes(story)
        return Ending(notes=frozenset(() if persons.is_done else notes))
    choice = choose(
        story,
        prices,
        persons.item,
        accepts_price=persons.accepts_price,
        default_currency=default_currency,
    )
    return _Payment(story, persons, choice, prices, default_currency).ending()


def wallet_key(wallet: str) -> str:
    """Return what is equal for all spellings of one wallet."""
    key = unicodedata.normalize("NFC", wallet).strip()
    digits = key[2:]
    is_address = (
        key[:2].lower() == "0x" and len(digits) == 40 and set(digits.lower()) <= set("0123456789abcdef")
    )
    return key.lower() if is_address else key


@dataclass(frozen=True)
class _Payment:
    """A payment that somebody paid."""

    story: Sequence[Word]
    persons: Said
    choice: Choice
    prices: Prices
    default_currency: str

    def ending(self) -> Ending:
        back, price, candidate = self.back, self.choice.price, self.choice.candidate
        state, left = self.held(back.cents)
        status = state if self.is_granted and state in {"granted", "suspended", "revoked"} else None
        notes = _notes(self.story) | self.notes(state, back)
        return Ending(
            state=state,
            item=candidate.name.item if candidate and status else None,
            wallet=self.wallet if status else None,
            quantity=left if status else None,
            status=status,
            refunded_cents=back.cents,
            price_cents=price.cents if price else None,
            currency=price.currency if price else None,
            notes=frozenset(() if self.persons.is_done else notes),
            why=((candidate.why if candidate else None) or "WalletInvalid") if state == "refused" else None,
        )

    @property
    def wallet(self) -> str | None:
        """The wallet that gets what was bought, if it can be kept."""
        payer = self.choice.candidate.word.customer if self.choice.candidate else None
        others = next((word.customer for word in self.story if word.customer), None)
        wallet = self.persons.wallet or payer or others
        return wallet if wallet and len(wallet) <= NAME_LENGTH and "\0" not in wallet else None

    @property
    def is_granted(self) -> bool:
        return self.choice.pays and self.wallet is not None

    @property
    def currency(self) -> str:
        return self.choice.price.currency or "" if self.choice.price else self.default_currency

    @property
    def back(self) -> GoneBack:
        return gone_back(self.story, self.currency, self.persons.answered)

    @property
    def disputes(self) -> list[Dispute]:
        return disputes(self.story, self.currency, self.persons.answered)

    @property
    def quantity(self) -> int | None:
        name = self.choice.candidate.name if self.choice.candidate else None
        return name.quantity if name and name.item in self.prices else None

    @property
    def is_proportional(self) -> bool:
        item = self.choice.candidate.name.item if self.choice.candidate else None
        return item is not None and item in self.prices and self.prices[item][2]

    def stands(self, kind: str) -> bool:
        """Tell whether it was said, and nobody has answered it."""
        said = [word for word in self.story if word.type == kind]
        return bool(said) and not any(word in self.persons.answered for word in said)

    def gone(self, refunded: int) -> tuple[int, bool]:
        """Return the cents that have gone, and whether the whole has."""
        lost = [each for dispute in self.disputes for each in dispute.lost]
        price = self.choice.price
        cents, is_whole = lost_cents(lost, price, self.quantity, is_proportional=self.is_proportional)
        cents += refunded
        returned = self.stands("ACH Returned")
        reached = price is not None and 0 < cents >= price.cents
        return cents, is_whole or returned or reached

    def held(self, refunded: int) -> tuple[str, int]:
        """Return the state and the units left, if that much was refunded."""
        cents, is_whole = self.gone(refunded)
        bought = self.quantity or 0
        if is_whole or self.persons.is_revoked:
            return "revoked", bought
        paid = {word.type for word in self.story if word.type in PAYING and not word.fault}
        incomplete = self.stands("Crypto Underpayment")
        is_suspended = any(dispute.is_open for dispute in self.disputes) or (
            incomplete and "Settled" not in paid
        )
        if self.choice.candidate is None:
            return "suspended" if is_suspended else "unmatched", 0
        if not self.is_granted:
            return "refused", 0
        left = bought - self._returned(cents)
        return "suspended" if is_suspended else "granted", left

    def left(self, refunded: int) -> int:
        """Return the units left, if that much was refunded, whatever persons say."""
        cents, is_whole = self.gone(refunded)
        return 0 if is_whole else (self.quantity or 0) - self._returned(cents)

    def _returned(self, cents: int) -> int:
        bought, price = self.quantity or 0, self.choice.price
        if not self.is_proportional or bought < 2 or price is None:
            return 0
        return cents * bought // price.cents

    def notes(self, state: str, back: GoneBack) -> set[str]:
        cents, _ = self.gone(back.cents)
        price = self.choice.price
        paid = {self._paid(word) for word in self.story if word.paid}
        notes = {
            "refused": state == "refused",
            "unmatched": state == "unmatched",
            "dispute": any(dispute.is_open for dispute in self.disputes),
            "partly_refunded": cents > 0 and (price is None or cents < price.cents),
            "refund_currency": back.is_other_currency,
            "retold": any(dispute.is_retold for dispute in self.disputes)
            or (self.is_granted and self.left(back.alternative) != self.left(back.cents)),
            "amounts_differ": len(paid) > 1 and self.is_granted,
        }
        said = {note for note, holds in notes.items() if holds} | _sent(self.story)
        return said - _UNLESS_REVOKED if state == "revoked" else said

    def _paid(self, word: Word) -> Amount | None:
        return word.paid and Amount(word.paid.cents, word.paid.currency or self.default_currency)


def _notes(story: Sequence[Word]) -> set[str]:
    return {"unreadable"} if any(word.fault for word in story) else set()


def _sent(story: Sequence[Word]) -> set[str]:
    notes = {"Crypto Overpayment": "overpaid", "Crypto Underpayment": "underpaid"}
    return {notes[word.type] for word in story if word.type in notes}


def _unpaid_notes(story: Sequence[Word]) -> set[str]:
    notes = _sent(story)
    if any(word.type in DISPUTES | REFUNDS | {"ACH Returned"} and not word.fault for word in story):
        notes.add("unpaid")
    if any(word.type == "Disbursed Funds" for word in story):
        notes.add("disbursed")
    return notes
