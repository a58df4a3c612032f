"""Grants: what a wallet holds of a payment, and the moves from what it holds to what is due."""

from collections.abc import Mapping
from typing import NamedTuple

from tasks.payments.states import GrantStatus
from tasks.payments.wallet import wallet_key


class Grant(NamedTuple):
    """What a wallet holds of one payment."""

    payment_id: str
    item: str
    wallet: str
    quantity: int
    status: GrantStatus

    @property
    def usable(self) -> int:
        """How many the wallet's owner may use."""
        return self.quantity if self.status is GrantStatus.GRANTED else 0


class Entry(NamedTuple):
    """One move of a grant: what it became, and what the move adds to the wallet."""

    grant: Grant
    delta: int


def entries_between(held: Mapping[str, Grant], due: Mapping[str, Grant]) -> list[Entry]:
    """Return the moves from what is held of a payment to what is due, both by item; none if they agree.

    A wallet that is spelled otherwise is the same one, and keeps the spelling that it has.
    """
    moves = []
    for item in sorted(held.keys() | due.keys()):
        before, after = held.get(item), due.get(item)
        if before and after and wallet_key(after.wallet) == wallet_key(before.wallet):
            after = after._replace(wallet=before.wallet)
        elif before:
            revoked = before._replace(status=GrantStatus.REVOKED)
            if before != revoked:
                moves.append(Entry(revoked, -before.usable))
            before = None
        if after and after != before:
            moves.append(Entry(after, after.usable - (before.usable if before else 0)))
    return moves
