"""What a row delivers to the product, and what must have come of it in the end."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Engine

from tests.chaos.load import Packet
from tests.chaos.result import doubled, granted, lost
from tests.stack import Stack


class Purchases:
    """Purchases of a sword each, which nothing undoes."""

    #: What the product's environment says besides, and which of the Procfile's processes run.
    environment: Mapping[str, str] = {}
    processes: Sequence[str] = ("web", "worker", "beat")

    def __init__(self, packets: Sequence[Packet]) -> None:
        #: What Coinflow delivers, in this order.
        self.packets = packets

    def has_arrived(self, engine: Engine, accepted: set[Packet]) -> bool:
        """Tell whether all that was answered 200 has come where it belongs."""
        paid = {each.payment_id for each in accepted}
        return granted(engine) >= len(paid) and not self.lost(engine, accepted)

    def help(self, stack: Stack, engine: Engine) -> None:
        """Do what an operator does meanwhile, once nothing breaks any more: nothing."""

    def lost(self, engine: Engine, accepted: set[Packet]) -> int:
        """Return of how much of that nothing has come."""
        return len(lost(engine, accepted))

    def doubled(self, engine: Engine) -> int:
        """Return of how many payments more has come than was paid for."""
        return doubled(engine)

    def failures(self, _engine: Engine) -> Sequence[str]:
        """Return what else is wrong in the end."""
        return ()

    def notes(self) -> Sequence[str]:
        """Return what there is to say about it."""
        return ()
