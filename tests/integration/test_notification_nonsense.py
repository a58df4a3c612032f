"""Answers that are none, or no whole ones."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.notifications.outcome import OutcomeKind
from tests.integration.notifying import post_once, reason
from tests.shop import Shop, Visit, answer

PARTS = [
    *(answer(status) for status in (200, 204, 301, 429, 500)),
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 500 Oh\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"transfer-encoding: chunked\r\n",
    b"content-length: 5\r\n",
    b"connection: close\r\n",
    b"retry-after: 5\r\n",
    b"location: https://[\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"hello",
]

NONSENSE = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a length that is none": b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    "a header without a name": b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n",
    "HTTP/2": b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff",
    "zeros": b"\0" * 1000,
}


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_no_answer(said: bytes) -> None:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send(said)
        visit.wait()

    with Shop(script) as shop:
        outcome = post_once(shop.url, seconds=5)
    assert (outcome.kind, outcome.status) == (OutcomeKind.TRANSIENT, None)
    assert reason(outcome).startswith(f"127.0.0.1:{shop.port} does not answer in HTTP: ")
    assert reason(outcome).isprintable()


BROKEN = {
    "chunks of nonsense": b"transfer-encoding: chunked\r\n\r\nzz\r\nno chunk",
    "a chunk without end": b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "fewer bytes than promised": b"content-length: 100\r\n\r\nfew",
}


@pytest.mark.parametrize(("status", "kind"), [(200, OutcomeKind.DONE), (500, OutcomeKind.TRANSIENT)])
@pytest.mark.parametrize("rest", BROKEN.values(), ids=BROKEN)
def test_of_an_answer_that_breaks_off_the_status_decides(rest: bytes, status: int, kind: OutcomeKind) -> None:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send(f"HTTP/1.1 {status} Broken\r\n".encode() + rest)

    with Shop(script) as shop:
        outcome = post_once(shop.url)
    assert (outcome.kind, outcome.status) == (kind, status)


@given(st.data())
def test_whatever_bytes_come_the_try_ends_and_only_a_2xx_is_done(data: st.DataObject) -> None:
    """Parts of answers, in any order and with anything in between, and then the connection's end."""
    parts = st.sampled_from(PARTS) | st.binary(max_size=20)
    said = b"".join(data.draw(st.lists(parts, max_size=12)))
    pieces = sorted(data.draw(st.sets(st.integers(0, len(said)), max_size=3)))

    def script(visit: Visit) -> None:
        visit.request()
        for begin, end in pairwise([0, *pieces, len(said)]):
            visit.send(said[begin:end])

    with Shop(script) as shop:
        outcome = post_once(shop.url)
    if outcome.kind is OutcomeKind.DONE:
        assert re.search(rb"HTTP/\d\.\d 2\d\d", said)
    else:
        assert reason(outcome).isprintable()
        assert "unforeseen" not in reason(outcome)
