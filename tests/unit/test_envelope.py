import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.envelope import EnvelopeError, read_envelope
from tasks.coinflow.event import read_packet

GOOD = {"eventType": "Settled", "category": "Purchase", "created": "2026-09-01T10:00:00.000Z", "data": {}}
TYPES: dict[str, type] = {"eventType": str, "created": str, "data": dict}
values: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.just([])
    | st.just({})
)


@given(fields=st.fixed_dictionaries(dict.fromkeys(TYPES, values)), extra=st.dictionaries(st.text(), values))
def test_exactly_the_three_fields_decide(fields: dict[str, Any], extra: dict[str, Any]) -> None:
    body = json.dumps({**extra, **fields}).encode()
    wrong = [name for name, kind in TYPES.items() if not isinstance(fields[name], kind)]
    if fields["eventType"] == "":
        wrong.append("eventType")
    if wrong:
        with pytest.raises(EnvelopeError) as error:
            read_envelope(body)
        assert str(error.value).split(":")[0] in wrong
    else:
        assert read_envelope(body).event_type == fields["eventType"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eventType": 1}, "eventType: expected a string that is not empty, got a number."),
        ({"eventType": ""}, "eventType: expected a string that is not empty, got an empty string."),
        ({"created": None}, "created: expected a string, got null."),
        ({"created": True}, "created: expected a string, got a boolean."),
        ({"data": []}, "data: expected an object, got an array."),
        ({"data": "{}"}, "data: expected an object, got a string."),
    ],
)
def test_a_fault_names_field_expectation_and_what_came(change: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvelopeError) as error:
        read_envelope(json.dumps({**GOOD, **change}).encode())
    assert str(error.value) == message


@pytest.mark.parametrize("field", TYPES)
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(EnvelopeError, match=f"^{field}: expected .* got nothing"):
        read_envelope(json.dumps({name: value for name, value in GOOD.items() if name != field}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"eventType": "\xff"}',
        b"nonsense",
        b"[" * 10_000,
        b"[" * 202 + b"]" * 202,
        b"NaN",
        b'{"data": {"rate": Infinity}}',
        b"\xef\xbb\xbf{}",
        json.dumps(GOOD).encode("utf-16"),
        b'{"data": "\x00"}',
        b"1" * 4301,
        rb'{"\ud800": \x}',
    ],
)
def test_what_is_not_json_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(EnvelopeError, match="not JSON"):
        read_envelope(body)


@pytest.mark.parametrize(
    ("body", "kind"), [(b"null", "null"), (b"[]", "an array"), (b'"x"', "a string"), (b"1", "a number")]
)
def test_another_value_than_an_object_is_named(body: bytes, kind: str) -> None:
    with pytest.raises(EnvelopeError, match=f"expected an object, got {kind}"):
        read_envelope(body)


@pytest.mark.parametrize(
    ("data", "payment_id"),
    [
        ({"id": "pay_1"}, "pay_1"),
        (
            {"id": "refund", "paymentId": "11111111-2222-4333-8444-555555555555"},
            "11111111-2222-4333-8444-555555555555",
        ),
        ({}, None),
        ({"id": 7}, None),
        ({"id": "alice@example.com"}, None),
        ({"id": "Alice Liddell"}, None),
        ({"id": "x" * 65}, None),
        ({"id": ""}, None),
    ],
)
def test_logs_name_a_payment_only_by_what_looks_like_an_id(data: Any, payment_id: str | None) -> None:
    assert read_envelope(json.dumps({**GOOD, "data": data}).encode()).payment_id == payment_id


def test_an_unknown_event_type_and_extra_fields_pass() -> None:
    packet = {**GOOD, "eventType": "Some Future Event", "more": {"x": 1}}
    assert read_envelope(json.dumps(packet).encode()).event_type == "Some Future Event"


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (r"\ud83d", r"\ufffd"),
        (r"\uDE00!", r"\ufffd!"),
        (r"\ude00\ud83d", r"\ufffd\ufffd"),
        (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
        (r"\\\ud83d\u0041", r"\\\ufffd\u0041"),
        (r"\ud83d \\ud83d", r"\ufffd \\ud83d"),
        (r"\ud83d\ude00 \\ud83d \u0000", r"\ud83d\ude00 \\ud83d \u0000"),
    ],
)
def test_half_a_character_is_replaced_and_nothing_else(sent: str, taken: str) -> None:
    body = '{"eventType": "Settled", "created": "", "data": {"%s": "%s"}}'
    assert read_envelope((body % (sent, sent)).encode()).text == body % (taken, taken)


@given(text=st.text(st.characters(), max_size=20))
def test_any_text_as_javascript_writes_it_is_taken_and_can_be_stored(text: str) -> None:
    taken = read_envelope(json.dumps({**GOOD, "data": {text: text}}).encode()).text
    (read,) = read_packet(taken).data.values()
    assert read == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
