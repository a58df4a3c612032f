"""Lives of payments: what Coinflow would send in the course of each, and what has become of it in the end.

The end is known from how the life was made up, not from its events: it is the independent model of the rules.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tasks.coinflow.samples import sample, with_identity

Packet = dict[str, Any]

_BEGUN = [("Refund", "Pending"), ("Refund", "Invoiced")]
_DONE = [("Refund", "Settled"), ("Refund Complete", "Settled")]
_FAILED = [("Refund", "Failed"), ("Refund Failure", "Failed")]
_RETURNED = [("Refund Returned", "Settled")]


@dataclass(frozen=True)
class Life:
    payment_id: str
    wallet: str
    #: In the order in which they happened.
    packets: Sequence[Packet]
    #: What the payment comes to.
    decision: str
    #: What the wallet holds of it: quantity and status, or None.
    held: tuple[int, str] | None
    refunded_cents: int


class _Making:
    """A life that is being made up."""

    def __init__(self, random: Random, payment_id: str, wallet: str) -> None:
        self.random = random
        self.payment_id = payment_id
        self.wallet = wallet
        self.quantity = random.randint(1, 3)
        self.price = 500 * self.quantity
        #: Strands of events whose order is known; between strands any order may have been.
        self.strands: list[list[Packet]] = []
        self.paid = self.settled = self.named = self.lost = self.disputed = self.underpaid = False
        self.refunded = 0

    def likely(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def event(self, name: str, cents: int | None = None, *, names: bool = True, **data: Any) -> Packet:
        """Make an event up; unless it `names` the item, its webhookInfo is null."""
        packet = sample(name, 2 if self.likely(50) else 3)
        wallet = f"acme\u02ac{self.wallet}" if self.likely(30) else self.wallet
        with_identity(
            packet,
            payment_id=self.payment_id,
            wallet=wallet,
            item="sword",
            quantity=self.quantity,
            cents=self.price if cents is None else cents,
        )
        info = packet["data"].get("webhookInfo")
        if info and self.likely(10):
            packet["data"]["webhookInfo"] = json.dumps(info)
        if not names:
            packet["data"]["webhookInfo"] = None
        packet["data"].update(data)
        return packet

    def live(self) -> Life:
        method = self.random.choice(["Card", "PayPal", "Venmo", "ACH", "Crypto"])
        strand = {"ACH": self._ach, "Crypto": self._crypto}.get(method, lambda: self._card(method))
        self.strands.append(list(strand()))
        if self.likely(10):
            self.strands.append([self.event("Payment Expiration", names=False)])
        if self.paid and self.likely(50):
            self.strands += self._refunds()
        return Life(
            self.payment_id,
            self.wallet,
            list(self._timed()),
            self._decision(),
            (self.quantity, self._decision())
            if self.named and self._decision() in {"granted", "suspended", "revoked"}
            else None,
            self.refunded if self.paid else 0,
        )

    def _decision(self) -> str:
        if not self.paid:
            return "nothing"
        if self.lost or self.refunded >= self.price:
            return "revoked"
        if self.disputed or (self.underpaid and not self.settled):
            return "suspended"
        return "granted" if self.named else "unmatched"

    def _pay(self, name: str = "Settled") -> Packet:
        self.paid = True
        self.settled |= name == "Settled"
        self.named |= name != "Crypto Payin Funds Received"
        return self.event(name)

    def _card(self, method: str) -> Iterator[Packet]:
        if method == "Card" and self.likely(20):
            yield self.event("Card Payment Declined")
        yield self.event(f"{method} Payment Authorized")
        if self.likely(10):
            yield self.event(f"{method} Payment Voided")
            return
        yield self._pay()
        if self.likely(30):
            yield self.event("Disbursed Funds")
        for number in range(self.random.choice([0, 0, 1, 2, 3])):
            dispute = f"chargeback-{number}"
            strand = [self.event(f"{method} Payment Chargeback Opened", chargebackId=dispute)]
            outcome = self.random.choice(["Won", "Won", "Lost", None])
            if outcome:
                strand.append(self.event(f"{method} Payment Chargeback {outcome}", chargebackId=dispute))
            self.lost |= outcome == "Lost"
            self.disputed |= outcome is None
            self.strands.append(strand)

    def _ach(self) -> Iterator[Packet]:
        yield self.event("ACH Initiated")
        yield self.event("ACH Batched")
        if self.likely(10):
            yield self.event("ACH Failed")
            return
        yield self._pay()
        if self.likely(20):
            self.disputed = True
            yield self.event("ACH Chargeback", chargebackId=None)
        if self.likely(20):
            self.lost = True
            yield self.event("ACH Returned")

    def _crypto(self) -> Iterator[Packet]:
        if self.likely(30):
            self.underpaid = True
            names = self.likely(50)
            self.named |= names
            yield self.event("Crypto Underpayment", names=names)
        yield self._pay(self.random.choice(["Crypto Payin Funds Received", "USDC Payment Received"]))
        if self.likely(40):
            yield self._pay()

    def _refunds(self) -> Iterator[list[Packet]]:
        """Yield a strand for each refund: without ids, two of one amount would be one."""
        # What Coinflow says of a refund is its habit, the same for all.
        begun = _BEGUN[: self.random.randint(1, 2)]
        done = self.random.choice([_DONE, _DONE[:1], _DONE[1:]])
        names = self.likely(50)
        self.named |= names
        for amount in self.random.sample(range(100, self.price + 1, 100), self.random.randint(1, 3)):
            ids: list[list[str | None]] = [
                [None],
                [None],
                [f"id-{amount}"],
                [f"id-{amount}", f"next-{amount}"],
            ]
            for refund_id in self.random.choice(ids):
                ends = ["done", "done", "failed", "undone", "returned", "retried", "pending"]
                end = self.random.choice(ends)
                said = {
                    "pending": begun,
                    "done": begun + done,
                    "failed": begun + _FAILED[: self.random.randint(1, 2)],
                    "undone": begun + done + _FAILED[1:],
                    "returned": begun + done + _RETURNED,
                    "retried": begun + _FAILED[1:] + begun + done,
                }[end]
                self.refunded += amount if end in {"done", "retried"} else 0
                identity = {"refundId": refund_id} if refund_id else {}
                yield [
                    self.event(name, amount, names=names, status=status, **identity) for name, status in said
                ]

    def _timed(self) -> Iterator[Packet]:
        """Yield the events of all strands, each strand in its order, each event at a time of its own."""
        moment = datetime(2026, 9, 1, 10, tzinfo=UTC)
        strands = [strand for strand in self.strands if strand]
        while strands:
            strand = self.random.choice(strands)
            packet = strand.pop(0)
            moment += timedelta(milliseconds=self.random.choice([1, 999, 86_400_000]))
            text = moment.isoformat(timespec="milliseconds")
            packet["created"] = text if self.likely(10) else text.replace("+00:00", "Z")
            yield packet
            strands = [strand for strand in strands if strand]


def live(random: Random, payment_id: str, wallet: str) -> Life:
    """Make a life up."""
    return _Making(random, payment_id, wallet).live()


def deliveries(random: Random, packets: Sequence[Packet]) -> list[Packet]:
    """Return the packets as they may be delivered: each one to three times, in any order."""
    copies = [packet for packet in packets for _ in range(random.choice([1, 1, 2, 3]))]
    random.shuffle(copies)
    return copies
