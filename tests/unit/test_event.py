from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.event import read_event, read_packet
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.errors import PayloadInvalid
from tests.packets import body
from tests.rules import read_body


@pytest.mark.parametrize(
    ("event_type", "changes", "field"),
    [
        ("Refund", {"data__paymentId": None}, "data.paymentId"),
        ("Settled", {"data__subtotal__cents": "five"}, "data.subtotal.cents"),
        ("Settled", {"data__subtotal__cents": 10**15 + 1}, "data.subtotal.cents"),
        ("Settled", {"data__id": None}, "data.id"),
        ("Settled", {"data__id": "x" * 201}, "data.id"),
        ("Settled", {"data__id": "a\0b"}, "data.id"),
        ("Subscription Created", {"data__subscriptionId": ""}, "data.subscriptionId"),
        ("Settled", {"data__subtotal__currency": 7}, "data.subtotal.currency"),
        ("Crypto Payin Funds Received", {"data__amount__cents": "5.00"}, "data.amount.cents"),
        ("Refund", {"data__totals__subtotal": "five"}, "data.totals.subtotal"),
        ("Refund", {"data__status": ["five"]}, "data.status"),
        ("Card Payment Chargeback Won", {"data__chargebackId": ["five"]}, "data.chargebackId"),
    ],
)
def test_what_does_not_fit_its_type_names_the_field_and_repeats_nothing(
    event_type: str, changes: dict[str, Any], field: str
) -> None:
    packet = read_packet(body(event_type, **changes))
    with pytest.raises(PayloadInvalid, match=f"^{field}: ") as error:
        read_event(packet)
    assert "five" not in str(error.value)


@pytest.mark.parametrize(
    ("event_type", "changes", "misfits"),
    [
        ("Settled", {}, ()),
        ("Settled", {"data__reserve": 25, "data__gasFees__cents": 0.4}, ("gasFees", "reserve")),
        ("Settled", {"data__merchantId": ["acme"]}, ("merchantId",)),
        ("Refund", {"data__totals__rate": "1"}, ("totals.rate",)),
        ("KYC Success", {"data__email": 7}, ("email",)),
    ],
)
def test_fields_left_out_because_of_their_type_are_named(
    event_type: str, changes: dict[str, Any], misfits: tuple[str, ...]
) -> None:
    event = read_event(read_packet(body(event_type, **changes)))
    assert event is not None
    assert event.misfits == misfits


@pytest.mark.parametrize(("sent", "read"), [(7, "7"), (" pay_1 ", "pay_1"), (True, None), ("x" * 201, None)])
def test_a_packet_names_its_payment(sent: Any, read: str | None) -> None:
    assert read_packet(body("Settled", data__id=sent)).payment_id == read


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_documented_type_is_read(event_type: str) -> None:
    event = read_event(read_packet(body(event_type)))
    assert event is not None
    assert event.type.name == event_type


def test_an_undocumented_type_has_no_typed_event() -> None:
    assert read_event(read_packet(body("Some Future Event"))) is None


@pytest.mark.parametrize(
    ("created", "moment"),
    [
        ("2026-09-01T10:00:00.123Z", datetime(2026, 9, 1, 10, 0, 0, 123_000, UTC)),
        ("2026-09-01T12:00:00+02:00", datetime(2026, 9, 1, 10, tzinfo=UTC)),
        ("2026-09-01T10:00:00", datetime(2026, 9, 1, 10, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_time_that_coinflow_states(created: str, moment: datetime | None) -> None:
    event = read_event(read_packet(body(created=created)))
    assert event is not None
    assert event.happened_at == moment


@given(st.lists(st.text() | st.datetimes(timezones=st.timezones()).map(str), max_size=4))
def test_events_of_any_stated_times_can_be_ordered(created: list[str]) -> None:
    events = [read_body(body(created=text)) for text in created]
    positions = [event.position for event in events if event]
    assert sorted(positions) == sorted(positions[1:] + positions[:1])
