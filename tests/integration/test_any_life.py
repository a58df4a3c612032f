"""Lives in which anything may happen, through the database: they end as the model says, whoever speaks."""

import os
import uuid
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select

from tasks.payments.resolution import Resolution
from tasks.payments.states import ResolutionKind
from tasks.pipeline.intake import store
from tasks.store.actions import Operator
from tasks.store.fulfilment import fulfil
from tasks.store.notes import read_notes
from tasks.store.operations import NotResolvable, resolve
from tasks.store.price_lists import accept
from tasks.store.schema import grants, ledger_entries, payments
from tasks.store.verdicts import verdicts_of
from tests.any_life import any_life
from tests.integration.pipeline import delivered
from tests.lives import Packet, deliveries
from tests.oracle import PRICES, Ending, ending, wallet_key
from tests.oracle import Resolution as Said
from tests.persons import resolutions
from tests.rules import catalog

pytestmark = pytest.mark.long

#: Payments have ids of their own, so one database serves all examples.
SHARED = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
FEW = settings(SHARED, max_examples=200 if os.environ.get("CI") else 40)
USD = "USD"


def take_in(engine: Engine, random: Random, payment_id: str, packets: Sequence[Packet]) -> None:
    """Store events in groups; fulfil now and then, and at the end."""
    left = list(packets)
    while left:
        size = random.randint(1, 6)
        group, left = left[:size], left[size:]
        with engine.begin() as connection:
            store(connection, [delivered(packet) for packet in group])
        if not left or random.randrange(2):
            with engine.begin() as connection:
                fulfil(connection, [payment_id], USD)


def speak(engine: Engine, payment_id: str, said: Said) -> bool:
    """Say a person's word, unless there is nothing to say of the payment yet."""
    word = Resolution(ResolutionKind(said.kind), said.item, said.quantity, said.wallet)
    try:
        with engine.begin() as connection:
            before = usable(connection, payment_id)
            refusal = resolve(connection, Operator("a person"), payment_id, word, USD)
            if refusal and word.kind is ResolutionKind.ITEM and before:
                assert usable(connection, payment_id) == before
                # The model folds what is there, and does not know what was granted before.
                reject()
    except NotResolvable:
        return False
    return True


def usable(connection: Connection, payment_id: str) -> Sequence[object]:
    """Return what of a payment's can be used."""
    query = select(grants.c.item, grants.c.quantity).where(grants.c.payment_id == payment_id)
    return connection.execute(query.where(grants.c.status == "granted")).all()


def found(connection: Connection, payment_id: str, item: str | None = None) -> Mapping[str, object]:
    """Return what the tables say of a payment, comparable with what the model says.

    What was held before another event named another thing stays as revoked; beside `item` it is left out.
    """
    payment = connection.execute(select(payments).where(payments.c.id == payment_id)).one()
    held = connection.execute(select(grants).where(grants.c.payment_id == payment_id)).all()
    entries = ledger_entries.c
    balance = select(func.sum(entries.delta)).where(entries.payment_id == payment_id)
    current = payment.decision if payment.decision in {"suspended", "revoked"} else "granted"
    return {
        "state": payment.decision,
        "held": [
            (row.item, wallet_key(row.wallet), row.quantity)
            for row in held
            if row.status == current and (item is None or row.item == item or current != "revoked")
        ],
        "refunded": payment.refunded_cents,
        "price": (payment.cents, payment.currency) if payment.cents is not None else None,
        "notes": set() if payment.is_done else {note.reason for note in read_notes(payment.notes)},
        "usable": sum(row.quantity for row in held if row.status == "granted"),
        "balance": connection.execute(balance).scalar_one() or 0,
    }


def expected(end: Ending) -> Mapping[str, object]:
    """Return the same of what the model says."""
    return {
        "state": end.state,
        "held": [(end.item, wallet_key(end.wallet or ""), end.quantity)] if end.status else [],
        "refunded": end.refunded_cents,
        "price": (end.price_cents, end.currency) if end.price_cents is not None else None,
        "notes": end.notes,
        "usable": end.usable,
        "balance": end.usable,
    }


@FEW
@given(seed=st.integers(0, 2**64))
def test_any_life_ends_as_the_model_says_whoever_speaks_when(engine: Engine, seed: int) -> None:
    random, payment_id = Random(seed), f"payment-{uuid.uuid4()}"
    with engine.begin() as connection:
        accept(connection, catalog(PRICES), "a release")
    packets = deliveries(random, any_life(random, payment_id))
    said = resolutions(random, packets, PRICES) if random.randrange(2) else []
    heard, before = [], 0
    for word in said:
        take_in(engine, random, payment_id, packets[before : len(word.known)])
        before = len(word.known)
        heard += [word] if speak(engine, payment_id, word) else []
    take_in(engine, random, payment_id, packets[before:])
    with engine.begin() as connection:
        end = ending(packets, heard)
        assert found(connection, payment_id, end.item) == expected(end)


@FEW
@given(seed=st.integers(0, 2**64))
def test_no_edit_of_the_price_list_takes_what_was_paid(engine: Engine, seed: int) -> None:
    random, payment_id = Random(seed), f"payment-{uuid.uuid4()}"
    left = deliveries(random, any_life(random, payment_id))
    paid: set[tuple[str, str]] = set()
    while left:
        with engine.begin() as connection:
            accept(connection, _edited(random), "a release")
        group, left = left[:4], left[4:]
        take_in(engine, random, payment_id, group)
        with engine.begin() as connection:
            before = found(connection, payment_id)
            accept(connection, _edited(random), "a release")
            fulfil(connection, [payment_id], USD)
            assert found(connection, payment_id) == before
            verdicts = verdicts_of(connection, payment_id)
        now = {(each.key, each.asked) for each in verdicts if each.error is None}
        assert paid <= now
        paid = now


def _edited(random: Random) -> str:
    """Return a list with other prices, policies and items than before, or with the same."""
    edited = {
        name: (random.choice([cents, cents, cents + 100]), currency, random.random() < 0.5)
        for name, (cents, currency, _) in PRICES.items()
        if random.random() < 0.8
    }
    return catalog(edited or PRICES)
