"""A try of a notification ends in time and in bounds, whatever the server does to it."""

import asyncio
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from tasks.notifications.connection import LIMIT
from tasks.notifications.look_up import AddressInfo
from tasks.notifications.outcome import OutcomeKind
from tests.integration.notifying import BODY, DONE, client, post, post_once, reason
from tests.shop import Shop, Visit, always, answer
from tests.stack import ROOT
from tests.waiting import PATIENCE

#: Seconds for a try that runs out of them, and within which it is over all the same, beside other work.
SHORT = 0.5
OVER = 5
#: Bytes.
BLOCK = 65_536
MUCH = 100_000_000
HUNDRED_MEGABYTES = {
    "counted": (f"content-length: {MUCH}", b"x" * BLOCK),
    "in chunks": ("transfer-encoding: chunked", b"10000\r\n" + b"x" * BLOCK + b"\r\n"),
    "in chunks of a byte": ("transfer-encoding: chunked", b"1\r\nx\r\n" * (BLOCK // 6)),
    "until the end": ("connection: close", b"x" * BLOCK),
    "packed": (f"content-encoding: gzip\r\ncontent-length: {MUCH}", b"\0" * BLOCK),
}


@dataclass
class Flood:
    """A script that sends a block again and again, until the client leaves or too much is sent."""

    head: str
    block: bytes
    sent: int = 0

    def __call__(self, visit: Visit) -> None:
        visit.request()
        visit.send(self.head.encode())
        while self.sent < MUCH:
            visit.send(self.block)
            self.sent += len(self.block)


@pytest.mark.parametrize(("status", "kind"), [(200, OutcomeKind.DONE), (500, OutcomeKind.TRANSIENT)])
@pytest.mark.parametrize(("head", "block"), HUNDRED_MEGABYTES.values(), ids=HUNDRED_MEGABYTES)
def test_of_an_answer_of_100_mb_the_beginning_is_read(
    head: str, block: bytes, status: int, kind: OutcomeKind
) -> None:
    flood = Flood(f"HTTP/1.1 {status} Long\r\n{head}\r\n\r\n", block)
    tracemalloc.start()
    try:
        with Shop(flood) as shop:
            begun = time.monotonic()
            outcome = post_once(shop.url)
            took = time.monotonic() - begun
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (outcome.kind, outcome.status) == (kind, status)
    assert took < OVER
    # What is on its way lies in the system's buffers.
    assert flood.sent < MUCH / 4
    assert peak < 4_000_000, peak


ENDLESS = {
    "interim answers": ("", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "a header": ("HTTP/1.1 200 OK\r\nx-long: ", b"x" * BLOCK),
    "headers": ("HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 10_000),
    "a status line": ("HTTP/1.1 200 ", b"x" * BLOCK),
}


@pytest.mark.parametrize(("head", "block"), ENDLESS.values(), ids=ENDLESS)
def test_a_head_without_end_is_not_read_on(head: str, block: bytes) -> None:
    flood = Flood(head, block)
    with Shop(flood) as shop:
        begun = time.monotonic()
        outcome = post_once(shop.url)
        took = time.monotonic() - begun
    assert (outcome.kind, outcome.status) == (OutcomeKind.TRANSIENT, None)
    assert reason(outcome).startswith(f"127.0.0.1:{shop.port} ")
    assert took < OVER
    assert flood.sent < MUCH / 4


def head_dripping(visit: Visit) -> None:
    visit.request()
    visit.drip(answer(200), 0.1)


def body_dripping(visit: Visit) -> None:
    visit.request()
    visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    visit.drip(b"x" * 1000, 0.1)


def silent(visit: Visit) -> None:
    visit.request()
    visit.wait()


@pytest.mark.parametrize(
    ("script", "status", "doing"),
    [
        (silent, None, "while waiting for 127.0.0.1:{port} to answer"),
        (head_dripping, None, "while waiting for 127.0.0.1:{port} to answer"),
        (body_dripping, 200, "while reading the rest of what 127.0.0.1:{port} answers"),
    ],
)
def test_an_answer_that_takes_too_long_is_a_time_out(
    script: Callable[[Visit], None], status: int | None, doing: str
) -> None:
    with Shop(script) as shop:
        begun = time.monotonic()
        outcome = post_once(shop.url, seconds=SHORT)
        took = time.monotonic() - begun
    assert (outcome.kind, outcome.status) == (OutcomeKind.TRANSIENT, status)
    assert doing.format(port=shop.port) in reason(outcome)
    assert "what the server has done is unknown" in reason(outcome)
    assert SHORT <= took < OVER


def test_tls_that_is_never_agreed_on_is_a_time_out() -> None:
    with Shop(Visit.wait) as shop:
        outcome = post_once(shop.url.replace("http:", "https:"), seconds=SHORT)
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert f"while agreeing on TLS with 127.0.0.1:{shop.port}" in reason(outcome)


def test_a_server_that_does_not_read_is_a_time_out() -> None:
    async def scenario(url: str) -> str:
        async with client(url, seconds=SHORT) as posting:
            return reason(await posting.post("msg_1", b"x" * 20_000_000))

    with Shop(Visit.wait) as shop:
        assert "time-out" in asyncio.run(scenario(shop.url))


def test_a_look_up_that_hangs_is_a_time_out_for_all_who_wait_for_it() -> None:
    asked: list[str] = []
    released = threading.Event()

    def hanging(host: str, port: int) -> Sequence[AddressInfo]:
        asked.append(f"{host}:{port}")
        released.wait(PATIENCE)
        return []

    async def scenario() -> list[str]:
        async with client("https://shop.example", seconds=SHORT, look_up=hanging) as posting:
            return [
                reason(outcome)
                for outcome in await asyncio.gather(
                    *(posting.post(f"msg_{number}", BODY) for number in range(20))
                )
            ]

    begun = time.monotonic()
    try:
        reasons = asyncio.run(scenario())
    finally:
        released.set()
    assert time.monotonic() - begun < OVER
    assert {*reasons} == {"time-out after 0.5 s while looking up shop.example"}
    assert asked == ["shop.example:443"]


#: Ends with 0 once its try has run out of time, though its look-up goes on for ever.
HANGING = """
import asyncio, threading
from tests.integration.notifying import BODY, client

async def run():
    hanging = lambda host, port: threading.Event().wait()
    async with client("https://shop.example", seconds=0.1, look_up=hanging) as posting:
        assert "looking up" in (await posting.post("msg_1", BODY)).reason

asyncio.run(run())
"""


def test_a_look_up_that_hangs_keeps_no_process_from_ending() -> None:
    subprocess.run([sys.executable, "-c", HANGING], cwd=ROOT, check=True, timeout=PATIENCE / 2)


def test_a_server_that_answers_after_a_time_out_is_asked_anew() -> None:
    """What comes too late is no answer to the next request."""

    def late_once(visit: Visit) -> None:
        visit.request()
        if visit.number == 1:
            visit.wait()
        visit.send(answer(200))

    with Shop(late_once) as shop:
        first, second = post(shop.url, times=2, seconds=SHORT)
    assert (first.kind, second) == (OutcomeKind.TRANSIENT, DONE)
    assert shop.connections == 2


def test_as_much_as_the_limit_is_read_whole() -> None:
    with Shop(always(answer(200, b"x" * (LIMIT - 1000)))) as shop:
        assert post(shop.url, times=2) == [DONE, DONE]
    assert shop.connections == 1
