"""Claims: what a payment takes of the limits that the price list sets for a wallet, or for an order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tasks.payments.decision import Decision
from tasks.payments.payment import Payment
from tasks.payments.price_list_form import PriceList
from tasks.payments.pricing import Terms
from tasks.payments.states import DecisionStatus


class Claim(NamedTuple):
    """What a payment takes of a limit."""

    item: str
    wallet: str
    quantity: int
    #: So many a wallet may have or, with `order_id`, so many payments of the order may grant it.
    most: int
    order_id: str | None = None

    def __str__(self) -> str:
        if self.order_id is not None:
            return f"Order {self.order_id[:100]} has had its {self.item} already."
        return f"A wallet may have {self.most} x {self.item}."


def claims_of(payment: Payment, decision: Decision, terms: Terms) -> Sequence[Claim]:
    """Return what is claimed by what the payment is to be granted; what it holds already is its own."""
    granted = decision.status in {DecisionStatus.GRANTED, DecisionStatus.SUSPENDED}
    if not granted or decision.purchase is None or terms.prices is None:
        return ()
    return tuple(_claims(payment, decision.purchase.wallet, decision.purchase.items, terms.prices.prices))


def _claims(payment: Payment, wallet: str, bought: Mapping[str, int], prices: PriceList) -> Iterator[Claim]:
    for item, quantity in bought.items():
        sold = prices.items.get(item)
        if sold is None or item in payment.held:
            continue
        if sold.limit is not None:
            yield Claim(item, wallet, quantity, sold.limit)
        if sold.once_per and payment.order_id is not None:
            yield Claim(item, wallet, 1, 1, payment.order_id)
