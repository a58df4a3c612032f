"""A payment's story: all that is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, distinct, func, select

from tasks.coinflow.event import read_packet
from tasks.coinflow.fields import Payload
from tasks.errors import PayloadInvalid
from tasks.payments.decision import decide
from tasks.payments.discards import heed_discards
from tasks.payments.offers import Offer, Ruling
from tasks.payments.order import Order, named_by
from tasks.payments.story import Statement
from tasks.payments.verdict import Verdict, Verdicts
from tasks.store import runs
from tasks.store.dead_letters import RUN_OF_LETTER
from tasks.store.discards import discards_of
from tasks.store.events import has_body, statements
from tasks.store.orders import orders_of
from tasks.store.resolutions import resolutions_of
from tasks.store.runs import FULFILMENT, INTAKE, ORDERS
from tasks.store.schema import (
    dead_letters,
    events,
    handler_runs,
    ledger_entries,
    matches,
    operator_actions,
    payments,
    resolutions,
    wallets,
)
from tasks.store.states import RunState, SetAside
from tasks.store.verdicts import verdicts_of
from tasks.store.views.actions import ActionLine, actions_on_payment
from tasks.store.views.attention import AttentionLine, notes_of
from tasks.store.views.events import EventLine, event_lines
from tasks.store.views.notifications import EndpointProgress, progress_of
from tasks.store.views.payments import GrantLine, PaymentLine, grants_of, payment_lines
from tasks.store.views.records import records


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryEvent(EventLine):
    """An event of a payment."""

    #: What all events up to this one decide; None where the event does not count.
    payment_state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """A move of a grant, and what caused it: an event, or an operator's action on account of an event."""

    id: int
    #: Which change of the payment it is a part of; None until what an earlier release wrote has its number.
    version: int | None
    wallet: str
    item: str
    #: What it added to the wallet.
    delta: int
    #: What it made of the grant.
    status: str
    event_id: int
    action_id: int | None
    #: The event's type, or what the operator did.
    cause: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchLine:
    """What an operator said that the payment bought."""

    item: str
    quantity: int
    wallet: str | None
    matched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionLine:
    """What a person said of the payment."""

    #: A `ResolutionKind`.
    kind: str
    item: str | None
    quantity: int | None
    wallet: str | None
    action_id: int
    said_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailure:
    """What a handler failed at for good: a dead letter."""

    id: int
    event_id: int
    handler: str
    error: str
    message: str
    #: One of dead, pending (it is being replayed), discarded.
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentStory(PaymentLine):
    """A payment and all that belongs to it, each in the order in which it came."""

    #: The customer that its events name, whatever they say of money, in the form that is compared.
    buyer: str | None
    #: How many of its events wait for what decides it; a handler of the merchant's does not.
    waiting: int
    #: Whom its foreign events name.
    foreign_merchants: tuple[str, ...]
    #: What a person should look at.
    notes: tuple[AttentionLine, ...]
    events: tuple[StoryEvent, ...]
    ledger_entries: tuple[LedgerEntry, ...]
    grants: tuple[GrantLine, ...]
    #: How far each endpoint was told of its changes.
    notifications: tuple[EndpointProgress, ...]
    matches: tuple[MatchLine, ...]
    resolutions: tuple[ResolutionLine, ...]
    #: What the merchant's own order function says that it bought, and for what; or None.
    order: Order | None
    #: What price lists have said of what it may have bought.
    verdicts: tuple[dict[str, Any], ...]
    actions: tuple[ActionLine, ...]
    dead_letters: tuple[PaymentFailure, ...]


def payment_story(connection: Connection, payment_id: str, default_currency: str) -> PaymentStory | None:
    """Return all that is known of a payment, or None if no event of it has come."""
    came = event_lines().where(events.c.payment_id == payment_id).order_by(events.c.id)
    stored = connection.execute(came).all()
    if not stored:
        return None
    decided = connection.execute(payment_lines().where(payments.c.id == payment_id)).one_or_none()
    failures = (
        select(
            dead_letters.c.id,
            dead_letters.c.event_id,
            dead_letters.c.handler,
            dead_letters.c.error,
            dead_letters.c.message,
            select(handler_runs.c.state).where(RUN_OF_LETTER).scalar_subquery().label("state"),
        )
        .join(events, events.c.id == dead_letters.c.event_id)
        .where(events.c.payment_id == payment_id)
        .order_by(dead_letters.c.id)
    )
    match = select(matches.c.item, matches.c.quantity, matches.c.wallet, matches.c.matched_at)
    verdicts = verdicts_of(connection, payment_id)
    order = orders_of(connection, [payment_id]).get(payment_id)
    return PaymentStory(
        **(decided._asdict() if decided else {"payment_id": payment_id}),
        buyer=_buyer(connection, payment_id),
        waiting=_waiting(connection, payment_id),
        foreign_merchants=_foreign_merchants(connection, payment_id),
        notes=notes_of(connection, payment_id),
        events=tuple(_told(connection, stored, verdicts, order, default_currency)),
        ledger_entries=records(connection, _entries(payment_id), LedgerEntry),
        grants=grants_of(connection, payment_id),
        notifications=progress_of(connection, payment_id),
        matches=records(connection, match.where(matches.c.payment_id == payment_id), MatchLine),
        resolutions=records(connection, _resolutions(payment_id), ResolutionLine),
        order=order,
        verdicts=tuple(each.model_dump(exclude={"key"}) for each in verdicts),
        actions=actions_on_payment(connection, payment_id),
        dead_letters=records(connection, failures, PaymentFailure),
    )


def _buyer(connection: Connection, payment_id: str) -> str | None:
    named = select(events.c.buyer).where(events.c.payment_id == payment_id, events.c.buyer.is_not(None))
    return connection.scalar(named.order_by(events.c.id).limit(1))


def _waiting(connection: Connection, payment_id: str) -> int:
    query = (
        select(func.count(distinct(events.c.id)))
        .join(handler_runs, handler_runs.c.event_id == events.c.id)
        .where(
            events.c.payment_id == payment_id,
            handler_runs.c.state == RunState.PENDING,
            handler_runs.c.handler.in_((INTAKE, FULFILMENT, ORDERS)),
        )
    )
    return connection.scalar(query) or 0


def _foreign_merchants(connection: Connection, payment_id: str) -> tuple[str, ...]:
    bodies = select(events.c.body).where(
        events.c.payment_id == payment_id, events.c.set_aside == SetAside.FOREIGN, has_body
    )
    packets = [read_packet(each) for each in connection.scalars(bodies)]
    read = [Payload.model_validate(each.data).merchant_id for each in packets]
    return tuple(dict.fromkeys(each for each in read if each))


def _resolutions(payment_id: str) -> Select[Any]:
    return (
        select(
            resolutions.c.kind,
            resolutions.c.item,
            resolutions.c.quantity,
            resolutions.c.wallet,
            resolutions.c.action_id,
            resolutions.c.said_at,
        )
        .where(resolutions.c.payment_id == payment_id)
        .order_by(resolutions.c.id)
    )


def _entries(payment_id: str) -> Select[Any]:
    return (
        select(
            ledger_entries.c.id,
            ledger_entries.c.version,
            func.coalesce(wallets.c.name, ledger_entries.c.wallet).label("wallet"),
            ledger_entries.c.item,
            func.coalesce(ledger_entries.c.delta, ledger_entries.c.quantity).label("delta"),
            ledger_entries.c.status,
            ledger_entries.c.event_id,
            ledger_entries.c.action_id,
            func.coalesce(operator_actions.c.what, events.c.event_type).label("cause"),
            ledger_entries.c.created_at,
        )
        .join(events, events.c.id == ledger_entries.c.event_id)
        .outerjoin(wallets, wallets.c.id == ledger_entries.c.wallet_id)
        .outerjoin(operator_actions, operator_actions.c.id == ledger_entries.c.action_id)
        .where(ledger_entries.c.payment_id == payment_id)
        .order_by(ledger_entries.c.id)
    )


def _told(
    connection: Connection,
    stored: Sequence[Row[*tuple[Any, ...]]],
    verdicts: Sequence[Verdict],
    order: Order | None,
    default_currency: str,
) -> list[StoryEvent]:
    """Return the events of a payment, each with what it and those before it decide."""
    payment_id = stored[0].payment_id
    said = {each.number: each.statement for each in statements(connection, [payment_id], FULFILMENT)}
    keys = {number: each.key for number, each in said.items()}
    resolved = resolutions_of(connection, [payment_id], keys).get(payment_id, [])

    standing = Verdicts(verdicts)

    def ruling_on(offer: Offer) -> Ruling:
        verdict = standing.on(offer)
        if verdict:
            return verdict.ruling()
        # What no list has priced yet is shown as if it were paid: it is priced in a moment.
        fault = offer.paid.facts.fault
        return Ruling(PayloadInvalid(fault) if fault else None, default_currency)

    ordered = named_by(order)
    states = runs.states(connection, [payment_id], FULFILMENT)
    given_up = {number for number, state in states.items() if state is RunState.DISCARDED and number in keys}
    discards = discards_of(connection, given_up, FULFILMENT, keys)
    so_far: list[Statement] = []
    told = []
    for row in stored:
        state = None
        if row.id in said:
            so_far.append(said[row.id])
            decision = decide(so_far, ruling_on, resolved, default_currency, ordered)
            state = heed_discards(decision, so_far, discards, resolved).status
        told.append(StoryEvent(**row._asdict(), payment_state=state))
    return told
