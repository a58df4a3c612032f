"""Limits: how much of a wallet's or an order's limit other payments have taken. Here arrival decides."""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, func, select, text

from tasks.payments.claims import Claim
from tasks.payments.grants import Entry
from tasks.payments.payment import Payment
from tasks.payments.states import GrantStatus
from tasks.payments.wallet import wallet_key
from tasks.store.many import among
from tasks.store.schema import grants, payments, wallets

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


@dataclass(slots=True)
class Limits:
    """What has been taken, by payments that are written and by those that are about to be."""

    connection: Connection
    #: Taken by payments of this transaction, as they are about to be written.
    _promised: Counter[tuple[str, str | None, str | None]] = field(default_factory=Counter)
    #: Those payments by the items that are written of them, which do not count any more.
    _outdated: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def hold(self, claims: Collection[Claim]) -> None:
        """Let nobody else take of these wallets' and orders' limits until the transaction ends.

        Payments are locked before, and these in one order for everybody. SQLite has one writer anyway.
        """
        if self.connection.dialect.name == "postgresql":
            for name in sorted({f"limit {_owner(claim)}" for claim in claims}):
                self.connection.execute(_LOCK, {"name": name})

    def taken(self, payment_id: str, claim: Claim) -> int:
        """Return what others than a payment have taken of a claim's limit."""
        without = {"without": [payment_id, *self._outdated.get(claim.item, ())]}
        written = self.connection.execute(_written(claim), without).scalar_one()
        return int(written or 0) + self._promised[_key(claim)]

    def promise(self, payment: Payment, moves: Collection[Entry]) -> None:
        """Note what is held of a payment once its moves are written: more than before, or less."""
        for item in payment.held:
            self._outdated[item].append(payment.id)
        # Of an item that goes to another wallet, the last move is what is held.
        held = {**payment.held, **{move.grant.item: move.grant for move in moves}}
        for grant in held.values():
            if grant.status is not GrantStatus.REVOKED:
                self._promised[grant.item, None, wallet_key(grant.wallet)] += grant.quantity
                if payment.order_id is not None:
                    self._promised[grant.item, payment.order_id, None] += 1


def _owner(claim: Claim) -> str:
    return f"order {claim.order_id}" if claim.order_id is not None else f"wallet {wallet_key(claim.wallet)}"


def _key(claim: Claim) -> tuple[str, str | None, str | None]:
    return (claim.item, claim.order_id, None if claim.order_id is not None else wallet_key(claim.wallet))


def _written(claim: Claim) -> Select[Any]:
    of_others = (
        ~among(grants.c.payment_id, "without"),
        grants.c.item == claim.item,
        grants.c.status != GrantStatus.REVOKED,
    )
    if claim.order_id is not None:
        return (
            select(func.count())
            .join_from(grants, payments, payments.c.id == grants.c.payment_id)
            .where(*of_others, payments.c.order_id == claim.order_id)
        )
    return (
        select(func.sum(grants.c.quantity))
        .join_from(grants, wallets, wallets.c.id == grants.c.wallet_id)
        .where(*of_others, wallets.c.key == wallet_key(claim.wallet))
    )
