"""What a server's answer means for a notification."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.notifications.answer import LONGEST_WAIT, SHORTEST_WAIT, Answer, outcome_of, seconds_to_wait
from tasks.notifications.outcome import Outcome, OutcomeKind

NOW = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)


def told(status: int, body: bytes = b"", **headers: str) -> Outcome:
    answer = Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
    return outcome_of(answer, NOW)


@given(st.integers(200, 299))
def test_any_2xx_is_done_and_says_nothing(status: int) -> None:
    assert told(status, b"thanks", retry_after="5") == Outcome(OutcomeKind.DONE, status)


@given(st.integers(100, 999).filter(lambda status: not 200 <= status < 300))
def test_every_other_status_is_named_in_a_reason(status: int) -> None:
    outcome = told(status)
    assert outcome.status == status
    assert outcome.reason is not None
    assert outcome.reason.startswith(str(status))
    expected = OutcomeKind.REFUSED
    if status in {429, *range(500, 1000)}:
        expected = OutcomeKind.TRANSIENT
    if status == 410:
        expected = OutcomeKind.GONE
    assert outcome.kind == expected


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("https://shop.example/hooks?token=hidden", "leads to https://shop.example; "),
        ("https://user:hidden@shop.example:8443/", "leads to https://shop.example; "),
        ("//shop.example/hidden", "leads to shop.example; "),
        ("/hidden", "leads to another path; "),
        ("https://[hidden/", "leads to another path; "),
        ("", "leads to another path; "),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_the_host_alone_and_the_setting(status: int, location: str, place: str) -> None:
    outcome = told(status, b"moved", location=location)
    assert outcome.kind is OutcomeKind.REFUSED
    assert outcome.reason is not None
    assert place in outcome.reason
    assert "NOTIFY_URL" in outcome.reason
    assert "hidden" not in outcome.reason


def test_a_refusal_says_what_to_look_at_and_what_the_server_said() -> None:
    assert told(401, b"bad signature").reason == (
        "401 Unauthorized (does the server verify with a secret of NOTIFY_SECRET?): bad signature"
    )
    assert told(404).reason == "404 Not Found (is the path of NOTIFY_URL right?)"
    assert told(418, "zu kurz für Tee".encode()).reason == "418 I'm a Teapot: zu kurz für Tee"
    assert told(799, b"\xff").reason == "799: \N{REPLACEMENT CHARACTER}"


def test_what_is_packed_is_not_unpacked() -> None:
    assert (
        told(500, b"\x1f\x8b\x08", content_encoding="gzip").reason
        == "500 Internal Server Error: (packed text)"
    )
    assert told(500, b"oh", content_encoding="Identity").reason == "500 Internal Server Error: oh"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", SHORTEST_WAIT),
        ("3601", LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        ("Thu, 26 Nov 2026 07:02:00 GMT", 120),
        ("Thursday, 26-Nov-26 07:02:00 GMT", 120),
        ("Thu Nov 26 07:02:00 2026", 120),
        ("Thu, 26 Nov 2026 06:00:00 GMT", SHORTEST_WAIT),
        ("Thu, 26 Nov 2099 06:00:00 GMT", LONGEST_WAIT),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None),
        ("soon", None),
        ("Thu, 26 Nov 99999999999999999999 06:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_within_its_limits(text: str, seconds: float | None) -> None:
    assert seconds_to_wait(text, NOW) == seconds


@given(st.text())
def test_retry_after_may_be_anything(text: str) -> None:
    seconds = seconds_to_wait(text, NOW)
    assert seconds is None or SHORTEST_WAIT <= seconds <= LONGEST_WAIT


@given(st.integers(SHORTEST_WAIT, LONGEST_WAIT))
def test_a_date_asks_for_the_time_until_it(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert seconds_to_wait(date, NOW) == seconds == seconds_to_wait(str(seconds), NOW)


def test_only_429_and_503_may_ask_to_wait() -> None:
    for status in range(100, 600):
        outcome = told(status, retry_after="90")
        assert outcome.retry_after == (90 if status in {429, 503} else None), status
    assert told(503, b"busy", retry_after="90").reason == "503 Service Unavailable (again in 90 s): busy"
