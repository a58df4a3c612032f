import json
from importlib.resources import files
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.event_types import EVENT_TYPES, EventType, Family
from tasks.coinflow.fields import CustomerPayload
from tasks.coinflow.payloads import Settled, parse, payment_id_of
from tasks.coinflow.samples import apply, literal, sample, with_identity

EVERY_TYPE = pytest.mark.parametrize("event_type", EVENT_TYPES.values(), ids=lambda known: known.name)
EVERY_VERSION = pytest.mark.parametrize("api_version", [2, 3])
VERSIONED = [Family.PURCHASE, Family.DECLINED, Family.SETTLED, Family.CHARGEBACK, Family.SUBSCRIPTION]


@pytest.mark.parametrize("family", Family)
def test_every_family_has_a_sample_of_its_own(family: Family) -> None:
    packet = json.loads((files("tasks.coinflow.samples") / f"{family}.json").read_bytes())
    known = EVENT_TYPES[packet["eventType"]]
    assert (known.family, known.category) == (family, packet["category"])


@EVERY_TYPE
@EVERY_VERSION
def test_every_sample_fits_its_model(event_type: EventType, api_version: Literal[2, 3]) -> None:
    packet = sample(event_type.name, api_version)
    assert list(packet) == ["eventType", "category", "created", "data"]
    assert (packet["eventType"], packet["category"]) == (event_type.name, event_type.category)
    payload, misfits = parse(event_type.family, packet["data"])
    assert not misfits
    assert not payload.model_extra
    assert payload.model_dump(by_alias=True, exclude_unset=True) == packet["data"]
    if isinstance(payload, CustomerPayload) and event_type.family is not Family.CRYPTO_DEPOSIT:
        assert payload.customer_id == "player-17"


@pytest.mark.parametrize("family", VERSIONED)
def test_version_2_names_the_customer_wallet(family: Family) -> None:
    name = next(known.name for known in EVENT_TYPES.values() if known.family is family)
    data = sample(name, 2)["data"]
    assert data["wallet"] == "player-17"
    assert not {"customerId", "rawCustomerId"} & data.keys()
    assert "wallet" not in sample(name, 3)["data"]


@pytest.mark.parametrize("family", [family for family in Family if family not in VERSIONED])
def test_other_families_are_the_same_in_both_versions(family: Family) -> None:
    name = next(known.name for known in EVENT_TYPES.values() if known.family is family)
    assert sample(name, 2) == sample(name, 3)


def test_the_settled_sample_buys_a_sword() -> None:
    settled, _ = parse(Family.SETTLED, sample("Settled")["data"])
    assert isinstance(settled, Settled)
    assert settled.webhook_info == {"item": "sword"}
    assert (settled.subtotal.cents, settled.customer_id) == (500, "player-17")


def test_an_unknown_type_looks_like_a_purchase() -> None:
    packet = sample("Some Future Event")
    assert packet == sample("Card Payment Authorized") | {"eventType": "Some Future Event"}


def test_a_sample_is_new_each_time() -> None:
    sample("Settled")["data"]["webhookInfo"]["item"] = "crown"
    assert sample("Settled")["data"]["webhookInfo"] == {"item": "sword"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("five", "five"),
        ('"5"', "5"),
        ("null", None),
        ('{"a": [1]}', {"a": [1]}),
        ("NaN", "NaN"),
        ("", ""),
    ],
)
def test_a_value_is_json_if_it_can_be(text: str, value: Any) -> None:
    assert literal(text) == value


@given(path=st.lists(st.text().filter(lambda name: "." not in name), min_size=1), value=st.text())
def test_apply_creates_what_lies_on_the_way(path: list[str], value: str) -> None:
    packet = sample("Settled")
    apply(packet, ".".join(path), value)
    place: Any = packet
    for name in path:
        place = place[name]
    assert place == literal(value)


def test_apply_leaves_the_rest() -> None:
    packet = sample("Settled")
    apply(packet, "data.subtotal.cents", "five")
    expected = sample("Settled")
    expected["data"]["subtotal"]["cents"] = "five"
    assert packet == expected


def test_apply_replaces_what_is_no_object() -> None:
    packet: dict[str, Any] = {"data": {"webhookInfo": None}}
    apply(packet, "data.webhookInfo.item", "sword")
    assert packet == {"data": {"webhookInfo": {"item": "sword"}}}


@EVERY_TYPE
@EVERY_VERSION
def test_an_identity_goes_where_a_packet_has_a_field_for_it(
    event_type: EventType, api_version: Literal[2, 3]
) -> None:
    before = sample(event_type.name, api_version)
    packet = sample(event_type.name, api_version)
    with_identity(packet, payment_id="pay_1", wallet="w", item="shield", quantity=2, cents=2400)
    data = packet["data"]
    assert data.keys() == before["data"].keys()
    payload, _ = parse(event_type.family, data)
    assert payment_id_of(event_type.family, data) in {"pay_1", None}
    assert "11111111-2222-4333-8444-555555555555" not in json.dumps(packet)
    assert "player-17" not in json.dumps({**data, "email": None, "customerEmail": None})
    if isinstance(payload, CustomerPayload) and event_type.family is not Family.CRYPTO_DEPOSIT:
        assert payload.customer_id == "w"
    assert data.get("webhookInfo") in ({"item": "shield", "quantity": 2}, None)
    assert data.get("subtotal") in ({"cents": 2400}, None)


def test_a_price_keeps_the_total_consistent() -> None:
    packet = sample("Settled")
    with_identity(packet, cents=2400)
    assert packet["data"]["total"] == {"cents": 2451}
    refund = sample("Refund")
    with_identity(refund, cents=250)
    totals = refund["data"]["totals"]
    assert [totals[name]["cents"] for name in ("subtotal", "total", "resolution")] == [250, 250, 250]


@EVERY_TYPE
def test_no_identity_changes_nothing(event_type: EventType) -> None:
    packet = sample(event_type.name)
    with_identity(packet)
    assert packet == sample(event_type.name)
