"""A life of a payment that is being made up: for whom, for what, and in which events it is told."""

from random import Random
from typing import Any

from tasks.coinflow.samples import sample, with_identity
from tests.lives import Packet
from tests.oracle import PRICES


class Story:
    """A life that is being made up: strands of events, each in its order."""

    def __init__(self, random: Random, payment_id: str, wallet: str) -> None:
        self.random = random
        self.payment_id = payment_id
        self.wallet = wallet
        self.item = random.choice(["sword", "sword", "potion", "potion", "crown"])
        self.quantity = random.choice([1, 1, 2, 3, 4])
        cents, self.currency, _ = PRICES[self.item]
        self.price = cents * self.quantity
        self.strands: list[list[Packet]] = []
        self.is_nobody = self.likely(2)

    def likely(self, percent: float) -> bool:
        return self.random.random() * 100 < percent

    def event(self, kind: str, cents: int | None = None, *, names: bool = True, **data: Any) -> Packet:
        """Make an event up, with the whole price unless `cents` are given; `names`: it names the item."""
        packet = sample(kind, 2 if self.likely(40) else 3)
        with_identity(
            packet,
            payment_id=self.payment_id,
            wallet="bob" if self.likely(2) else self.wallet,
            item=self.item,
            quantity=self._spelled(self.quantity),
            cents=self.price if cents is None else cents,
        )
        if self.payment_id.isdigit() and self.likely(30):
            for field in {"id", "paymentId"} & packet["data"].keys():
                packet["data"][field] = int(self.payment_id)
        if self.is_nobody:
            for field in {"wallet", "customerId", "rawCustomerId"} & packet["data"].keys():
                packet["data"][field] = self.random.choice([None, "", "  ", ["alice"]])
        if not names:
            packet["data"]["webhookInfo"] = self.random.choice(
                [None, {}, {"item": None}, {"item": " "}, "sword"]
            )
        packet["data"].update(data)
        return packet

    def amount(self, cents: int, *currencies: str | None) -> dict[str, Any]:
        """Return an amount in one of the currencies; None leaves it out."""
        currency = self.random.choice(currencies)
        return {"cents": cents} if currency is None else {"cents": cents, "currency": currency}

    def _spelled(self, number: int) -> Any:
        return self.random.choice([number, number, number, str(number), float(number)])
