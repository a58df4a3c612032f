"""No field that the rules do not read keeps an event from counting, whatever Coinflow makes of it."""

import json

import pytest

from tasks.coinflow.event import read_event, read_packet
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.payloads import Unreadable
from tasks.errors import PayloadInvalid
from tests.mutations import KINDS, MISSING, mutations, paths

EVERY_KIND = {*KINDS, MISSING}
NO_ID = EVERY_KIND - {"whole", "text"}
NO_TEXT = {"fraction", "true", "list", "object", "objects"}


def amount(path: str) -> dict[str, set[str]]:
    """Return the kinds that nobody can read as an amount."""
    return {
        path: EVERY_KIND,
        f"{path}.cents": EVERY_KIND - {"whole"},
        f"{path}.currency": NO_TEXT | {"whole"},
    }


#: Fields by family, and the kinds that nobody can read there.
UNREADABLE: dict[str, dict[str, set[str]]] = {
    **{family: {"id": NO_ID} for family in ("purchase", "declined", "disbursed")},
    "settled": {"id": NO_ID, **amount("subtotal")},
    "crypto_payin": {"paymentId": NO_ID, **amount("amount")},
    "refund": {
        "paymentId": NO_ID,
        "totals": EVERY_KIND,
        **amount("totals.subtotal"),
        "status": NO_TEXT | {"whole"},
    },
    "chargeback": {"id": NO_ID, "chargebackId": NO_TEXT},
    "reserve": {"paymentId": NO_ID},
    "rfi": {"paymentId": NO_TEXT},
    "subscription": {"subscriptionId": NO_ID},
}


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_only_what_a_rule_cannot_read_is_refused(event_type: str) -> None:
    unreadable = UNREADABLE.get(EVENT_TYPES[event_type].family, {})
    count = 0
    for mutation in mutations(event_type):
        packet = read_packet(json.dumps(mutation.packet))
        if mutation.kind in unreadable.get(mutation.path, ()):
            assert mutation.is_read, mutation
            with pytest.raises(PayloadInvalid, match=rf"^data\.{mutation.path.split('.')[0]}"):
                read_event(packet)
        else:
            event = read_event(packet)
            assert event, mutation
            assert set(event.misfits) <= {mutation.path, mutation.path.rpartition(".")[0]}, mutation
        assert Unreadable.model_validate(packet.data)
        count += 1
    print(f"{event_type}: {count} mutations")  # noqa: T201 - tells a reader how much is covered
    assert count


def test_a_field_that_no_rule_reads_is_named_where_it_is_left_out() -> None:
    left_out = {
        (mutation.path, mutation.kind)
        for mutation in mutations("Settled", "Refund")
        if not mutation.is_read
        for event in [read_event(read_packet(json.dumps(mutation.packet)))]
        if event and event.misfits
    }
    other_types = EVERY_KIND - {"null", MISSING}
    for field in ("signature", "last4", "paymentMethod", "blockchain"):
        assert {kind for path, kind in left_out if path == field} == other_types - {"text", "empty"}
    for field in ("fees", "reserve", "totals.adjustment"):
        assert {kind for path, kind in left_out if path == field} == other_types


def test_optional_fields_are_mutated_that_no_sample_has() -> None:
    assert {"presentmentTotals", "fees.currency", "reasonCode", "webhookInfo.quantity"} <= set(
        paths(EVENT_TYPES["Settled"], 3)
    )
    assert {"refundId", "totals.adjustment.currency"} <= set(paths(EVENT_TYPES["Refund"], 3))
