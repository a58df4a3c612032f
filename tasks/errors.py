"""What can go wrong in a task, by what it means for a retry.

A `PermanentError` fails the same way next time: it becomes a dead letter at once. A `TransientError`, like
whatever else `tasks.worker.retries` calls transient, is tried again until it passes. Each docstring tells an
operator what to do.
"""


class TransientError(Exception):
    """Nothing: it is tried again until it passes. For a handler of the merchant's to raise."""


class Stalled(TransientError):
    """A task of ours hit its time limit: it waits for database and broker alone, so one of them hangs."""


class PriceListUnusable(TransientError):
    """Run `coinflowctl catalog apply`: no price list was ever accepted, or this version cannot read it."""


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


class WalletInvalid(PermanentError):
    """The payment names no customer, or one that no wallet can be kept under."""


class Discarded(PermanentError):
    """An operator has given this up for good."""


class HandlerMissing(PermanentError):
    """No module in HANDLERS has the function any more; put it back and replay, or discard the letter."""


class RunCutOff(PermanentError):
    """Each run ended its worker process or hit the time limit; mend what it does, then replay."""
