"""What Coinflow notices while others crowd the door.

    python -m benchmarks.crowd [slow connections] [seconds]

First, so many connections send a delivery at one byte per second, and come again when they are ended, while
50 deliveries a second are timed. Then requests without a credential come as fast as they are answered; what
the log grew by is counted. The receiver is one of its own on the embedded broker.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx2

from tests.stack import KEY, Stack

_BODY = b'{"eventType": "Settled", "created": "", "data": {}}'
_RATE = 50
_HEAD = b"POST /webhooks/coinflow HTTP/1.1\r\nHost: crowd\r\nContent-Length: %d\r\n" % len(_BODY)


async def slow(stack: Stack, connections: int, seconds: float) -> None:
    """Time deliveries beside slow connections."""
    held: Counter[str] = Counter()
    crowd = [asyncio.create_task(_dawdle(stack, number, held)) for number in range(connections)]
    while held["open"] < connections:  # noqa: ASYNC110  # an event per connection would measure itself
        await asyncio.sleep(0.05)
    answers: Counter[int] = Counter()
    times: list[float] = []
    fewest = connections

    async def deliver(client: httpx2.AsyncClient) -> None:
        began = time.perf_counter()
        answer = await client.post(stack.url, content=_BODY, headers={"Authorization": KEY})
        times.append(time.perf_counter() - began)
        answers[answer.status_code] += 1

    async with httpx2.AsyncClient(timeout=10) as client, asyncio.TaskGroup() as deliveries:
        began = time.perf_counter()
        for number in range(int(seconds * _RATE)):
            await asyncio.sleep(max(0, began + number / _RATE - time.perf_counter()))
            deliveries.create_task(deliver(client))
            fewest = min(fewest, held["open"])
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    times.sort()
    worst = [1000 * times[int(share * (len(times) - 1))] for share in (0.5, 0.99, 1)]
    statuses = ", ".join(f"{count} x {status}" for status, count in answers.items())
    _say(
        f"{connections} connections at 1 byte/s, never fewer than {fewest} open, {held['ended']} ended; "
        f"beside them {_RATE} deliveries/s for {seconds:.0f} s: {statuses}; "
        "median {:.0f} ms, p99 {:.0f} ms, worst {:.0f} ms".format(*worst)
    )


async def _dawdle(stack: Stack, number: int, held: Counter[str]) -> None:
    # Every other one dawdles in its body.
    sent = _HEAD + b"\r\n" + _BODY
    quick = len(_HEAD) + 2 if number % 2 else 0
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
        held["open"] += 1
        writer.write(sent[:quick])
        ended = asyncio.ensure_future(reader.read())
        for byte in sent[quick:]:
            done, _ = await asyncio.wait([ended], timeout=1)
            if done:
                break
            writer.write(bytes([byte]))
        held["open"] -= 1
        held["ended"] += 1
        writer.close()


async def uninvited(stack: Stack, seconds: float) -> None:
    """Count what the log grows by under requests without a credential."""
    before = stack.log("web")
    answers: Counter[str] = Counter()
    request = _HEAD + b"\r\n" + _BODY
    stop = time.perf_counter() + seconds

    async def flood() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
        while time.perf_counter() < stop:
            writer.write(request * 20)
            for _ in range(20):
                head = await reader.readuntil(b"\r\n\r\n")
                answers[head[9:12].decode()] += 1
                length = next(
                    line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
                )
                await reader.readexactly(int(length.split(b":")[1]))
        writer.close()

    await asyncio.gather(*(flood() for _ in range(8)))
    grown = stack.log("web")[len(before) :]
    _say(
        f"{answers.total() / seconds:.0f} requests/s without a credential for {seconds:.0f} s: "
        + ", ".join(f"{count} x {status}" for status, count in answers.items())
        + f"; the log grew by {len(grown.splitlines())} lines, {len(grown)} bytes"
    )


def _say(line: str) -> None:
    print(line)  # noqa: T201  # what a benchmark is for


if __name__ == "__main__":
    connections, seconds = (int(each) for each in [*sys.argv[1:], "1000", "30"][:2])
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), {}) as stack:
        stack.start("web")
        asyncio.run(slow(stack, connections, seconds))
        asyncio.run(uninvited(stack, seconds))
