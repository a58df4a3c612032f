"""A payment is found by every name that somebody has for it."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from celeryconfig import broker_transport_options
from tasks.store.price_lists import accept
from tasks.store.views import finding
from tests.integration.commands import ctl, read
from tests.integration.pipeline import delivery, run, take_in

pytestmark = pytest.mark.long

ADDRESS = "0xAbCdEf0123456789aBcDeF0123456789AbCdEf01"
GIFTS = "items.sword = { price.cents = 500, recipient = true }"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gift", ["gift"]),
        ("alice", ["gift"]),
        ("bob", ["gift"]),
        ("o-1", ["gift"]),
        ("shop\u02acalice", ["gift"]),
        ("sword", ["chain", "gift"]),
        (ADDRESS.lower(), ["chain"]),
        ("carol", ["authorized", "refused"]),
        ("Carol@Example.com", ["authorized"]),
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
        delivery("authorized", "Card Payment Authorized", data__email="carol@example.com", **carol),
    ):
        run(engine, take_in(engine, each))
    assert [line["payment_id"] for line in read("find", text)] == found


def test_the_newest_of_a_frequent_item_are_found_alike(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for payment_id in ("first", "second", "third"):
        run(engine, take_in(engine, delivery(payment_id)))
    take_in(engine, delivery("first", "Card Payment Authorized"))

    def found(*options: str) -> list[str]:
        return [line["payment_id"] for line in read("find", "sword", *options)]

    options = [[], ["--limit", "2"], ["--limit", "1"], ["--until", "2026-01-01"]]
    ordinarily = [found(*each) for each in options]
    assert ordinarily == [["first", "third", "second"], ["first", "third"], ["first"], []]
    monkeypatch.setattr(finding, "_MANY", 3)
    assert [found(*each) for each in options] == ordinarily
    # Where the newest events are of too few payments, all are read.
    monkeypatch.setattr(finding, "_EVENTS", 1)
    assert [found(*each) for each in options] == ordinarily


def test_a_gift_names_both(engine: Engine) -> None:
    with engine.begin() as connection:
        accept(connection, GIFTS, "a release")
    run(engine, take_in(engine, delivery("gift", data__webhookInfo={"item": "sword", "recipient": "bob"})))
    (line,) = read("find", "alice")
    assert (line["wallet"], line["payer"], line["state"]) == ("bob", "alice", "granted")


def test_a_buyer_is_found_by_events_that_grant_nothing(engine: Engine) -> None:
    take_in(engine, delivery("foreign", data__merchantId="other"), merchant_ids=["mine"])
    run(engine, take_in(engine, delivery("unreadable", data__subtotal="much")))
    take_in(engine, delivery("unknown", "Some Future Event"))
    take_in(engine, delivery("waiting"))
    words = {line["payment_id"]: line["conclusion"]["word"] for line in read("find", "alice")}
    assert words == {"foreign": "FOREIGN", "unreadable": "REFUSED", "waiting": "WAITING"}


def test_only_what_came_in_the_time_that_is_meant_is_found(engine: Engine) -> None:
    for payment_id, day in (("first", 1), ("second", 2)):
        take_in(engine, delivery(payment_id) | {"received_at": f"2026-10-0{day}T12:00:00+00:00"})

    def found(*options: str) -> list[str]:
        return [line["payment_id"] for line in read("find", "alice", *options)]

    assert found() == ["second", "first"]
    assert found("--limit", "1") == ["second"]
    assert found("--since", "2026-10-02") == ["second"]
    assert found("--until", "2026-10-01T14:00:00+02:00") == []
    assert found("--until", "2026-10-01 12:00:01 UTC") == ["first"]


@pytest.mark.usefixtures("app")
def test_a_name_that_nobody_has_brings_those_that_look_like_it(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(broker_transport_options, "path", str(tmp_path / "broker.sqlite3"))
    take_in(engine, delivery())
    run(engine, take_in(engine, delivery("other", data__customerId="bob", data__rawCustomerId="bob")))
    assert "Did you mean alice?" in ctl("find", "Alcie").stdout
    nobody = ctl("find", "somebody-else")
    assert "Did you mean" not in nobody.stdout
    # What may keep it from being there.
    assert "The last event that was stored is 2, Settled" in nobody.stderr
    assert "no worker answers" in nobody.stderr
    assert "queue events: " in nobody.stderr
    assert "no worker answers" in ctl("payments", "show", "nothing").stderr


def test_lists_hold_those_alone_that_are_meant(engine: Engine) -> None:
    carol = {"data__customerId": "carol", "data__rawCustomerId": "carol"}
    cart = {"items": [{"item": "shield"}, {"item": "sword", "quantity": 2}]}
    for each in (
        delivery("sword"),
        delivery("cart", data__webhookInfo=cart, data__subtotal__cents=1750, **carol),
        delivery("misspelt", data__webhookInfo={"item": 'swo"rd%'}, **carol),
        delivery("authorized", "Card Payment Authorized", **carol),
    ):
        run(engine, take_in(engine, each))

    def listed(what: str, *options: str) -> list[str]:
        return sorted(line["payment_id"] for line in read(what, "list", *options))

    assert listed("events", "--wallet", " carol ") == ["authorized", "cart", "misspelt"]
    assert listed("events", "--item", "sword", "--type", "Settled") == ["cart", "sword"]
    assert listed("events", "--cents", "1750") == ["cart"]
    assert listed("events", "--cents", "175") == []
    assert listed("payments", "--item", "sword") == ["cart", "sword"]
    assert listed("payments", "--item", "shield", "--wallet", "carol") == ["cart"]
    assert listed("payments", "--item", 'swo"rd%') == ["misspelt"]
    assert listed("events", "--item", 'swo"rd%') == ["misspelt"]
    assert listed("payments", "--item", "%") == []
