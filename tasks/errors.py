"""What can go wrong in a task, by what it means for a retry.

A `PermanentError` fails the same way next time: it becomes a dead letter at once. A `TransientError`, like
whatever else `tasks.worker.retries` calls transient, is tried again until it passes. Each docstring tells an
operator what to do.
"""

from typing import Any


class TransientError(Exception):
    """Nothing: it is tried again until it passes. For a handler of the merchant's to raise."""


class Stalled(TransientError):
    """A task of ours hit its time limit: it waits for database and broker alone, so one of them hangs."""


class PriceListUnusable(TransientError):
    """Run `coinflowctl catalog apply`: no price list was ever accepted, or this version cannot read it."""


class SequenceBehind(TransientError):
    """Run the command of the message: rows have the numbers that the database would give to new ones."""


class SearchPathDropped(TransientError):
    """Do what the message says: a pooler drops the `search_path` of `DATABASE_URL`, so nothing is written."""


class PermanentError(Exception):
    """Nothing was granted; mend what the message names, then replay the dead letter."""


class PayloadInvalid(PermanentError):
    """The event's data does not fit its event type."""


class ItemMissing(PermanentError):
    """`webhookInfo.item` is no name; put {"item": "<name in the price list>"} into it at checkout."""


class ItemUnknown(PermanentError):
    """`webhookInfo` names an item that the price list does not hold."""


class QuantityInvalid(PermanentError):
    """`webhookInfo.quantity` is not a whole number of 1 or more."""


class PriceMismatch(PermanentError):
    """The buyer paid another amount than the price list asks; the checkout may have been tampered with."""


class Overpaid(PriceMismatch):
    """The buyer paid a little more than the price list asks: accept it, or refund and let them pay again.

    `quote` is what the list says of the purchase, as a `tasks.payments.quote.Quote`, with what is over.
    """

    def __init__(self, reason: str, quote: Any = None) -> None:
        super().__init__(reason)
        self.quote = quote


class CouponInvalid(PermanentError):
    """The price list has no such coupon, or it is over or for other items; mend the list, then replay."""


class LimitReached(PermanentError):
    """The wallet has as many of the item as the price list allows, or the order was paid before."""


class WalletInvalid(PermanentError):
    """The payment names no customer, or one that no wallet can be kept under."""


class OrderUnknown(PermanentError):
    """The merchant's order function does not know what was paid for; mend it or the order, then replay."""


class OrderInvalid(PermanentError):
    """The merchant's order function returns what is no order; mend it or the order, then replay."""


class Discarded(PermanentError):
    """An operator has given this up; replay its letter, or say with `payments resolve` that it is granted."""

    def __init__(self, reason: str = "An operator has discarded what was paid for.") -> None:
        super().__init__(reason)


class BodyGone(PermanentError):
    """What Coinflow sent was pruned, or its buyer erased: no handler can read it; discard the letter."""

    def __init__(self) -> None:
        super().__init__("What Coinflow sent of the event is no longer stored.")


class HandlerMissing(PermanentError):
    """No module in HANDLERS has the function any more; put it back and replay, or discard the letter."""


class RunCutOff(PermanentError):
    """Each run ended its worker process or hit the time limit; mend what it does, then replay."""
