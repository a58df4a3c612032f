"""Limits of the price list: arrival decides, also between workers that work at once."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from tasks.pipeline.dispatch import Delivery
from tasks.store.price_lists import accept
from tasks.store.schema import dead_letters, grants, payments
from tests.integration.pipeline import count, delivery, persist, run, take_in
from tests.waiting import PATIENCE

LIMITED = """
[items.sword]
price = { cents = 500 }
limit = 2
[items.relic]
price = { cents = 500 }
once_per = "orderId"
[items.pass]
price = { cents = 500 }
limit = 1
[items.arrow]
price = { cents = 500 }
limit = 2
refund = "proportional"
[items.pair]
price = { cents = 900 }
grants = { sword = 2 }
"""


def sell(engine: Engine) -> None:
    with engine.begin() as connection:
        accept(connection, LIMITED, "a release")


def buy(engine: Engine, payment_id: str, cents: int = 500, **info: object) -> str:
    """Pay for something; return what the payment comes to."""
    packet: dict[str, Any] = {"data__webhookInfo": info, "data__subtotal__cents": cents}
    run(engine, take_in(engine, delivery(payment_id, **packet)))
    return state(engine, payment_id)


def refund(payment_id: str) -> Delivery:
    """Give back the price of one."""
    return delivery(payment_id, "Refund")


def state(engine: Engine, payment_id: str) -> str:
    with engine.connect() as connection:
        query = select(payments.c.decision).where(payments.c.id == payment_id)
        return str(connection.execute(query).scalar_one())


def error(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(dead_letters.c.error)).scalars())


def test_the_one_that_comes_last_is_refused_and_what_is_granted_stays(engine: Engine) -> None:
    sell(engine)
    assert [buy(engine, each, item="sword") for each in ("a", "b", "c")] == ["granted", "granted", "refused"]
    assert error(engine) == ["LimitReached"]
    run(engine, ["a", "b", "c"])
    assert [state(engine, each) for each in ("a", "b", "c")] == ["granted", "granted", "refused"]
    assert buy(engine, "another's", item="relic") == "granted"


def test_what_a_bundle_grants_counts(engine: Engine) -> None:
    sell(engine)
    assert buy(engine, "pair", 900, item="pair") == "granted"
    assert buy(engine, "one", item="sword") == "refused"


def test_what_went_back_makes_room_for_a_replay_alone(engine: Engine) -> None:
    sell(engine)
    assert buy(engine, "a", 1000, item="sword", quantity=2) == "granted"
    assert buy(engine, "b", item="sword") == "refused"
    run(engine, take_in(engine, delivery("a", "Card Payment Chargeback Lost", data__subtotal=None)))
    run(engine, take_in(engine, delivery("b", "Card Payment Authorized")))
    assert (state(engine, "a"), state(engine, "b")) == ("revoked", "refused")


def test_an_order_buys_an_item_once(engine: Engine) -> None:
    sell(engine)
    assert buy(engine, "a", item="relic", orderId="7") == "granted"
    assert buy(engine, "b", item="relic", orderId=7) == "refused"
    assert buy(engine, "c", item="relic", orderId="8") == "granted"
    assert buy(engine, "d", item="relic") == "granted"


def test_payments_of_one_transaction_share_a_limit(engine: Engine) -> None:
    sell(engine)
    ids = [f"pay-{number}" for number in range(5)]
    run(engine, take_in(engine, *(delivery(each, data__webhookInfo={"item": "sword"}) for each in ids)))
    assert sorted(state(engine, each) for each in ids) == ["granted"] * 2 + ["refused"] * 3
    assert state(engine, ids[0]) == "granted"


@pytest.mark.parametrize("refunded_first", [True, False])
@pytest.mark.parametrize("info", [{"item": "pass"}, {"item": "relic", "orderId": "7"}], ids=["limit", "once"])
def test_what_goes_back_in_the_same_transaction_is_free(
    engine: Engine, info: dict[str, Any], *, refunded_first: bool
) -> None:
    sell(engine)
    assert buy(engine, "b", **info) == "granted"
    # Names that sort before and after.
    again = "c" if refunded_first else "a"
    events = [refund("b"), delivery(again, data__webhookInfo=info)]
    run(engine, take_in(engine, *events if refunded_first else events[::-1]))
    assert (state(engine, "b"), state(engine, again)) == ("revoked", "granted")
    assert buy(engine, "third", **info) == "refused"


def test_what_goes_back_in_part_frees_that_part_alone(engine: Engine) -> None:
    sell(engine)
    assert buy(engine, "a", 1000, item="arrow", quantity=2) == "granted"
    bought = [delivery(each, data__webhookInfo={"item": "arrow"}) for each in ("b", "c")]
    run(engine, take_in(engine, refund("a"), *bought))
    assert [state(engine, each) for each in ("a", "b", "c")] == ["granted", "granted", "refused"]


def test_what_is_suspended_in_the_same_transaction_is_not_free(engine: Engine) -> None:
    sell(engine)
    assert buy(engine, "a", item="pass") == "granted"
    dispute = delivery("a", "Card Payment Chargeback Opened", data__subtotal=None)
    run(engine, take_in(engine, dispute, delivery("b", data__webhookInfo={"item": "pass"})))
    assert (state(engine, "a"), state(engine, "b")) == ("suspended", "refused")


def test_what_a_wallet_gets_back_in_the_same_transaction_is_taken(engine: Engine) -> None:
    sell(engine)
    assert buy(engine, "a", item="pass") == "granted"
    lost = {"created": "2026-09-02T10:00:00Z", "data__subtotal": None}
    run(engine, take_in(engine, delivery("a", "Card Payment Chargeback Lost", **lost)))
    won = {"created": "2026-09-03T10:00:00Z", "data__subtotal": None}
    bought = delivery("b", data__webhookInfo={"item": "pass"})
    run(engine, take_in(engine, delivery("a", "Card Payment Chargeback Won", **won), bought))
    assert (state(engine, "a"), state(engine, "b")) == ("granted", "refused")


def test_workers_that_work_at_once_share_a_limit(engine: Engine) -> None:
    sell(engine)
    rounds = [[f"{uuid.uuid4()}-{worker}" for worker in range(4)] for _ in range(25)]
    together = Barrier(4, timeout=PATIENCE)

    def work(worker: int) -> None:
        for number, ids in enumerate(rounds):
            wallet = f"wallet-{number}"
            names = {"data__customerId": wallet, "data__rawCustomerId": wallet}
            packet = delivery(ids[worker], data__webhookInfo={"item": "sword"}, **names)
            together.wait()
            persist(partial(_bought, engine, ids[worker], packet))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with engine.connect() as connection:
        held = select(grants.c.wallet, func.sum(grants.c.quantity)).group_by(grants.c.wallet)
        assert {row[1] for row in connection.execute(held)} == {2}
    assert count(engine, grants) == 50


def _bought(engine: Engine, payment_id: str, packet: Delivery) -> None:
    take_in(engine, packet)
    run(engine, [payment_id])


@pytest.mark.parametrize("order_id", ["\0", 250 * "x"])
def test_an_order_id_that_no_database_stores_as_it_is_counts_all_the_same(
    engine: Engine, order_id: str
) -> None:
    sell(engine)
    assert buy(engine, "a", item="relic", orderId=order_id) == "granted"
    assert buy(engine, "b", item="relic", orderId=order_id) == "refused"
