"""Whatever `data` holds, each stage takes it on every database: it is granted, or dead with a reason."""

import json
import random
from typing import Any

from sqlalchemy import Engine, select

from receiver.envelope import read_envelope
from tasks.pipeline.dispatch import Delivery
from tasks.store.schema import dead_letters, events, grants
from tests.integration.pipeline import count, delivery, run, states, take_in

#: Too random for a database to compress, and so for its indexes to hold.
LONG = "".join(random.Random(0).choices([chr(code) for code in range(0x4E00, 0x9FFF)], k=10_000))


def handed_over(**changes: Any) -> Delivery:
    """Return a settled purchase as the receiver hands it over, changed at `__`-separated paths."""
    sent = delivery()
    packet = json.loads(sent["body"])
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = packet
        for parent in parents:
            place = place[parent]
        place[name] = value
    sent["body"] = read_envelope(json.dumps(packet).encode()).text
    return sent


#: What is changed, and the error that the dead letter names, if there is to be one.
PURCHASES: dict[str, tuple[dict[str, Any], str | None]] = {
    "NUL in the wallet": ({"data__rawCustomerId": "a\0b"}, "WalletInvalid"),
    "wallet of 10,000 characters": ({"data__rawCustomerId": LONG}, "WalletInvalid"),
    "wallet that is a number": ({"data__rawCustomerId": 7}, None),
    "item that is a number": ({"data__webhookInfo": {"item": 7}}, "ItemUnknown"),
    "quantity as text": ({"data__webhookInfo": {"item": "sword", "quantity": " 1 "}}, None),
    "cents as text": ({"data__subtotal__cents": "500"}, None),
    "cents with a sign": ({"data__subtotal__cents": "+500"}, "PayloadInvalid"),
    "NUL in the item": ({"data__webhookInfo": {"item": "a\0b"}}, "ItemUnknown"),
    "item of 10,000 characters": ({"data__webhookInfo": {"item": LONG}}, "ItemUnknown"),
    "quantity that no column holds": (
        {"data__webhookInfo": {"item": "sword", "quantity": 2**63}},
        "QuantityInvalid",
    ),
    "quantity of 4,300 digits": (
        {"data__webhookInfo": {"item": "sword", "quantity": 10**4299}},
        "QuantityInvalid",
    ),
    "cents of 400 digits": ({"data__subtotal__cents": 10**399}, "PayloadInvalid"),
    "NUL in the currency": ({"data__subtotal__currency": "a\0b"}, "PayloadInvalid"),
    "right-to-left wallet": ({"data__rawCustomerId": "\u202ealice\u200f"}, None),
    "half a character in the wallet": ({"data__rawCustomerId": "ali\ud83d"}, None),
    "odd names": ({"data__webhookInfo": {"item": "sword", "\ud800\0": "\udfff"}}, None),
    "webhookInfo as text": ({"data__webhookInfo": '{"item": "sword"}'}, None),
    "created of 10,000 characters": ({"created": LONG}, None),
    "NUL in created": ({"created": "\0"}, None),
    "'; DROP TABLE events; --": ({}, None),
    'a/b%_\\"\u202e': ({}, None),
}


def test_an_odd_purchase_is_granted_or_dead_with_a_reason(engine: Engine) -> None:
    for payment_id, (changes, _) in PURCHASES.items():
        run(engine, take_in(engine, handed_over(data__id=payment_id, **changes)))
    letters = select(events.c.payment_id, dead_letters.c.error).join(events)
    with engine.connect() as connection:
        errors = {row.payment_id: row.error for row in connection.execute(letters)}
        granted = set(connection.execute(select(grants.c.payment_id)).scalars())
    assert {name: errors.get(name) for name in PURCHASES} == {
        name: error for name, (_, error) in PURCHASES.items()
    }
    assert granted == PURCHASES.keys() - errors.keys()
    assert set(states(engine)) == {"dead", "done"}


def test_a_payment_that_nothing_can_name_is_dead_at_once(engine: Engine) -> None:
    unnameable = ["", LONG, "a\0b", None, 7.5, True, ["pay"]]
    assert take_in(engine, *(handed_over(data__id=each) for each in unnameable)) == set()
    assert states(engine) == ["dead"] * len(unnameable)


def test_a_whole_number_names_a_payment_as_its_digits_do(engine: Engine) -> None:
    assert take_in(engine, handed_over(data__id=7), handed_over(data__id="7")) == {"7"}
    run(engine, ["7"])
    assert (count(engine, events), count(engine, grants)) == (2, 1)


def test_an_event_type_that_is_almost_one_is_stored_and_moves_nothing(engine: Engine) -> None:
    almost = [LONG, "a\0b\x1b[31m\r\n", "settled", " Settled ", "\ud800"]
    assert take_in(engine, *(handed_over(eventType=each) for each in almost)) == set()
    assert (count(engine, events), states(engine)) == (len(almost), [])
