"""A buyer is erased at the moment of a purchase: what is granted stays where its payment's events say."""

from collections.abc import Callable
from itertools import count

import pytest
from sqlalchemy import Connection, Engine, func, select

from tasks.pipeline.dispatch import Delivery
from tasks.pipeline.intake import store
from tasks.store.actions import Operator
from tasks.store.erasure import NotErasable, erase
from tasks.store.fulfilment import fulfil
from tasks.store.schema import events, grants, ledger_entries, payments, subscriptions, wallets
from tests.integration.pipeline import delivery, run, take_in
from tests.integration.races import beside, interrupted, on_postgres, wait_for_a_lock

pytestmark = pytest.mark.long

ADA = Operator("ada", "asked for")
MINE = ["mine"]
#: An erasure that is refused, and a fulfilment, take more statements.
MOMENTS = 6
Buy = Callable[[Connection], None]


def of(buyer: str, payment_id: str, merchant: str = "mine") -> Delivery:
    return delivery(payment_id, data__customerId=buyer, data__rawCustomerId=buyer, data__merchantId=merchant)


def buy(connection: Connection, came: Delivery) -> None:
    """Take a purchase in and fulfil it in one transaction, as intake does."""
    fulfil(connection, store(connection, [came], MINE).payment_ids, "USD")


def at_once(_engine: Engine, came: Delivery) -> Buy:
    return lambda connection: buy(connection, came)


def stored_before(engine: Engine, came: Delivery) -> Buy:
    """Store a purchase, which fulfilment's task is yet to fulfil."""
    payment_ids = take_in(engine, came, merchant_ids=MINE)

    def fulfil_it(connection: Connection) -> None:
        fulfil(connection, payment_ids, "USD")

    return fulfil_it


def forget(engine: Engine, buyer: str) -> bool:
    """Erase a buyer; tell whether that was not refused."""
    try:
        with engine.begin() as connection:
            erase(connection, ADA, buyer)
    except NotErasable:
        return False
    return True


def holder_of(engine: Engine, payment_id: str) -> str:
    """Return whose a payment's grant is, which everything must say."""
    with engine.connect() as connection:
        (grant,) = connection.execute(
            select(grants.c.wallet, wallets.c.name)
            .join(wallets, wallets.c.id == grants.c.wallet_id)
            .where(grants.c.payment_id == payment_id)
        )
        (decided,) = connection.execute(select(payments.c.wallet).where(payments.c.id == payment_id))
    assert grant.wallet.strip() == grant.name.strip() == str(decided.wallet).strip()
    return str(decided.wallet)


def moves(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(ledger_entries)) or 0


def nothing(engine: Engine, buyer: str) -> str:
    """Let a buyer be known by what another merchant sold."""
    take_in(engine, of(buyer, f"foreign {buyer}", "another"), merchant_ids=MINE)
    return f"new {buyer}"


def a_purchase(engine: Engine, buyer: str) -> str:
    with engine.begin() as connection:
        buy(connection, of(buyer, f"old {buyer}"))
    return f"new {buyer}"


def the_same_payment(engine: Engine, buyer: str) -> str:
    """Let a buyer be known by a payment of which another event turns out to be ours."""
    take_in(engine, of(buyer, f"new {buyer}", "another"), merchant_ids=MINE)
    return f"new {buyer}"


def another_spelling(engine: Engine, buyer: str) -> str:
    a_purchase(engine, buyer.upper().replace("X", "x"))
    return f"new {buyer}"


def address(number: int) -> str:
    return f"0x{number:040x}".replace("0x000", "0xabc")


Before = Callable[[Engine, str], str]
come = pytest.mark.parametrize("come", [at_once, stored_before])
known_by = pytest.mark.parametrize("known", [nothing, a_purchase, the_same_payment, another_spelling])


def assert_right(engine: Engine, buyer: str, payment_id: str, *, is_erased: bool) -> None:
    """Fail unless the purchase came before the erasure with all that it says, or after it."""
    holder = holder_of(engine, payment_id)
    with engine.connect() as connection:
        named = set(connection.scalars(select(events.c.payment_id).where(events.c.buyer == buyer)))
    if is_erased:
        assert named == ({payment_id} if holder == buyer else set())
    else:
        assert (holder, payment_id in named) == (buyer, True)
    before = moves(engine)
    run(engine, [payment_id])
    assert moves(engine) == before


@on_postgres
@come
@known_by
def test_a_purchase_comes_whole_at_any_moment_of_an_erasure(
    engine: Engine, known: Before, come: Callable[[Engine, Delivery], Buy]
) -> None:
    for number in count():
        buyer = address(number)
        payment_id = known(engine, buyer)
        bought_by = come(engine, of(buyer, payment_id))

        def purchase(bought_by: Buy = bought_by) -> None:
            with engine.begin() as connection:
                bought_by(connection)

        is_erased = True
        with engine.connect() as connection, interrupted(engine, connection, number, purchase) as bought:
            try:
                erase(connection, ADA, buyer)
                connection.commit()
            except NotErasable:
                is_erased = False
                connection.rollback()
        if not bought:
            break
        bought[0].result()
        assert_right(engine, buyer, payment_id, is_erased=is_erased)
    assert number > MOMENTS


@on_postgres
@come
@known_by
def test_an_erasure_comes_whole_at_any_moment_of_a_purchase(
    engine: Engine, known: Before, come: Callable[[Engine, Delivery], Buy]
) -> None:
    for number in count():
        buyer = address(number)
        payment_id = known(engine, buyer)
        bought_by = come(engine, of(buyer, payment_id))

        def forget_it(buyer: str = buyer) -> bool:
            return forget(engine, buyer)

        with engine.connect() as connection, interrupted(engine, connection, number, forget_it) as forgot:
            bought_by(connection)
            connection.commit()
        if not forgot:
            break
        assert_right(engine, buyer, payment_id, is_erased=forgot[0].result())
    assert number > MOMENTS


@on_postgres
def test_a_subscription_comes_whole_at_any_moment_of_an_erasure(engine: Engine) -> None:
    for number in count():
        buyer = address(number)
        a_purchase(engine, buyer)

        def subscribe(buyer: str = buyer) -> None:
            subscription = {"data__subscriptionId": f"of {buyer}", "data__customerId": buyer}
            take_in(engine, delivery(event_type="Subscription Created", **subscription))

        with engine.connect() as connection, interrupted(engine, connection, number, subscribe) as subscribed:
            try:
                erase(connection, ADA, buyer)
                connection.commit()
            except NotErasable:
                connection.rollback()
        if not subscribed:
            break
        subscribed[0].result()
        with engine.connect() as connection:
            query = select(subscriptions.c.wallet, events.c.buyer).join(events)
            assert all(row.wallet.lower() == row.buyer for row in connection.execute(query))
    assert number > MOMENTS


@on_postgres
def test_a_purchase_waits_for_an_erasure_and_gets_a_wallet_of_its_own(engine: Engine) -> None:
    a_purchase(engine, "alice")

    def purchase() -> None:
        with engine.begin() as connection:
            buy(connection, of("alice", "new"))

    with engine.connect() as connection, connection.begin() as transaction:
        erase(connection, ADA, "alice")
        with beside(purchase) as bought:
            wait_for_a_lock(engine, connection)
            transaction.commit()
        bought.result()
    assert holder_of(engine, "new") == "alice"
    assert holder_of(engine, "old alice").startswith("erased-")
