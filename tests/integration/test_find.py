"""A payment is found by every name that somebody has for it."""

import pytest
from sqlalchemy import Engine

from tasks.store.price_lists import accept
from tests.integration.commands import read
from tests.integration.pipeline import delivery, run, take_in

ADDRESS = "0xAbCdEf0123456789aBcDeF0123456789AbCdEf01"
GIFTS = "items.sword = { price.cents = 500, recipient = true }"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gift", ["gift"]),
        ("alice", ["gift"]),
        ("bob", ["gift"]),
        ("o-1", ["gift"]),
        ("sword", ["gift", "chain"]),
        (ADDRESS.lower(), ["chain"]),
        ("carol", ["refused"]),
        ("nobody", []),
    ],
)
def test_a_payment_is_found_by_its_names(engine: Engine, text: str, found: list[str]) -> None:
    with engine.begin() as connection:
        accept(connection, GIFTS, "a release")
    info = {"item": "sword", "recipient": "bob", "orderId": "o-1"}
    address = {"data__customerId": ADDRESS, "data__rawCustomerId": ADDRESS}
    carol = {"data__customerId": "carol", "data__rawCustomerId": "carol"}
    for each in (
        delivery("gift", data__webhookInfo=info),
        delivery("chain", **address),
        delivery("refused", data__subtotal__cents=1, **carol),
    ):
        run(engine, take_in(engine, each))
    assert [line["payment_id"] for line in read("find", text)] == found


def test_a_gift_names_both(engine: Engine) -> None:
    with engine.begin() as connection:
        accept(connection, GIFTS, "a release")
    run(engine, take_in(engine, delivery("gift", data__webhookInfo={"item": "sword", "recipient": "bob"})))
    (line,) = read("find", "alice")
    assert (line["wallet"], line["payer"], line["state"]) == ("bob", "alice", "granted")
