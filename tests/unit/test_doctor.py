"""What the doctor makes of what it sees."""

import dataclasses
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from tasks.doctor import verdicts
from tasks.doctor.certificates import addresses, expiry
from tasks.doctor.finding import Finding, Level, worst
from tasks.doctor.rounds import examine_all
from tasks.settings import Settings
from tasks.store.views.endpoints import EndpointLine

NOW = datetime(2026, 11, 26, tzinfo=UTC)
_SECOND, _MINUTE, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (-_SECOND, "0 s"),
        (119 * _SECOND, "119 s"),
        (2 * _MINUTE, "2 min"),
        (119 * _MINUTE, "119 min"),
        (120 * _MINUTE, "2 h"),
        (47 * 60 * _MINUTE, "47 h"),
        (21 * _DAY, "21 days"),
    ],
)
def test_a_span_is_told_in_one_unit(time: timedelta, text: str) -> None:
    assert verdicts.span(time) == text


@pytest.mark.parametrize(
    ("finding", "level"),
    [
        (verdicts.on_queue("events", 3, 1, is_read=True), Level.OK),
        (verdicts.on_queue("events", 0, 0, is_read=True), Level.FAULT),
        (verdicts.on_queue("notifications", 9, 0, is_read=False), Level.OK),
        (verdicts.on_dead_queue("dead-letters", 0), Level.OK),
        (verdicts.on_dead_queue("dead-letters", 1), Level.NOTICE),
        (verdicts.on_workers(["celery@a (events)"]), Level.OK),
        (verdicts.on_workers([]), Level.FAULT),
        (verdicts.on_sweeps(3 * _MINUTE, _DAY), Level.OK),
        (verdicts.on_sweeps(3 * _MINUTE + _SECOND, _DAY), Level.FAULT),
        (verdicts.on_sweeps(None, _MINUTE), Level.OK),
        (verdicts.on_sweeps(None, _DAY), Level.FAULT),
        (verdicts.on_sweeps(None, None), Level.FAULT),
        (verdicts.on_clock(4 * _SECOND), Level.OK),
        (verdicts.on_clock(-5 * _SECOND), Level.NOTICE),
        (verdicts.on_clock(-_MINUTE), Level.FAULT),
        (verdicts.on_unfinished("fulfilment", 1, 5 * _MINUTE), Level.OK),
        (verdicts.on_unfinished("fulfilment", 1, 5 * _MINUTE + _SECOND), Level.FAULT),
        (verdicts.on_connections(17, 20, 9), Level.OK),
        (verdicts.on_connections(18, 20, 9), Level.NOTICE),
        (verdicts.on_connections(1, 8, 9), Level.NOTICE),
        (verdicts.on_certificate("shop", 22 * _DAY), Level.OK),
        (verdicts.on_certificate("shop", 21 * _DAY), Level.NOTICE),
        (verdicts.on_certificate("shop", -_SECOND), Level.FAULT),
        (verdicts.on_price_list("a", "a"), Level.OK),
        (verdicts.on_price_list("a", None), Level.OK),
        (verdicts.on_price_list("a", "b"), Level.NOTICE),
        (verdicts.on_price_list(None, "b"), Level.FAULT),
    ],
    ids=str,
)
def test_what_a_sight_means(finding: Finding, level: Level) -> None:
    assert finding.level is level
    assert (finding.next_step is None) == (level is Level.OK), "whoever must act is told how"


def test_the_worst_finding_counts() -> None:
    found = [Finding(check="a", level=level, seen="") for level in (Level.NOTICE, Level.UNKNOWN, Level.OK)]
    assert worst(found) is Level.NOTICE
    assert worst([]) is Level.OK


def test_a_group_that_fails_or_hangs_hides_nothing_of_itself_or_of_another() -> None:
    end = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield Finding(check="first", seen="seen")
        end.wait()

    def fails() -> Iterator[Finding]:
        yield Finding(check="second", seen="seen")
        raise ValueError("two\nlines")

    def works() -> Iterator[Finding]:
        yield Finding(check="third", seen="seen")

    found = examine_all({"failing": fails, "working": works, "hanging": hangs}, patience=1)
    end.set()
    assert [(each.check, each.level) for each in found] == [
        ("second", Level.OK),
        ("failing", Level.FAULT),
        ("third", Level.OK),
        ("first", Level.OK),
        ("hanging", Level.FAULT),
    ]
    assert found[1].seen == "the look at it failed: ValueError: two lines"


@pytest.mark.parametrize(
    "until", ["2026-12-01T10:20:30+00:00", "2049-12-31T00:00:00+00:00", "2061-02-03T04:05:06+00:00"]
)
def test_the_end_of_a_certificate_is_read(until: str) -> None:
    moment = datetime.fromisoformat(until)
    pem = trustme.CA().issue_cert("shop.example", not_after=moment).cert_chain_pems[0].bytes().decode()
    assert expiry(ssl.PEM_cert_to_DER_cert(pem)) == moment


@pytest.mark.parametrize("text", [b"", b"0", b"\x30\x03abc", b"certificate"])
def test_what_is_no_certificate_is_told(text: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        expiry(text)


def test_servers_are_asked_for_certificates_where_tls_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(**variables: str) -> list[tuple[object, ...]]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return [tuple(each) for each in addresses(Settings.load())]

    assert asked(BROKER_URL="amqp://one", DATABASE_URL="postgresql://two/shop") == []
    assert asked(
        BROKER_URL="amqps://one;amqps://other:1", DATABASE_URL="postgresql://two/shop?sslmode=verify-full"
    ) == [
        ("amqps", "one", 5671),
        ("amqps", "other", 1),
        ("postgresql", "two", 5432),
    ]
    assert asked(BROKER_URL="rediss://one:2", DATABASE_URL="sqlite:///shop") == [("rediss", "one", 2)]


def line(**values: Any) -> EndpointLine:
    fields = {field.name: None for field in dataclasses.fields(EndpointLine)}
    return EndpointLine(
        **{**fields, "name": "shop", "state": "open", "pending": 0, "dead": 0, "in_flight": 0, **values}
    )


@pytest.mark.parametrize(
    ("endpoint", "level"),
    [
        (line(), Level.OK),
        (line(due_at=NOW + _MINUTE), Level.OK),
        (line(due_at=NOW - 5 * _MINUTE), Level.OK),
        (line(due_at=NOW - 6 * _MINUTE), Level.FAULT),
        (line(due_at=NOW - 6 * _MINUTE, in_flight=1), Level.NOTICE),
        (line(due_at=NOW - 6 * _MINUTE, state="held"), Level.NOTICE),
        (line(due_at=NOW - 6 * _MINUTE, state="paused"), Level.NOTICE),
        (line(due_at=NOW - 6 * _MINUTE, dead=1), Level.FAULT),
        (line(dead=1), Level.NOTICE),
    ],
)
def test_what_an_endpoint_means(endpoint: EndpointLine, level: Level) -> None:
    assert verdicts.on_endpoint(endpoint, NOW, None).level is level
