"""Which handlers an event type goes to. A type that is not named here is stored and done."""

from collections.abc import Mapping

#: The handler that folds a payment's events into what the wallet holds.
FULFILMENT = "fulfilment"

HANDLERS: Mapping[str, tuple[str, ...]] = {
    "Settled": (FULFILMENT,),
}
