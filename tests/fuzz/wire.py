"""Cases over real HTTP, with the faults that only bytes on a connection can have."""

import asyncio
import os
import re
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzz.cases import KEY, Case
from tests.fuzz.door import Failure
from tests.stack import Stack

_ALLOWED = {100, 200, 400, 401, 404, 405, 408, 413, 414, 431, 501}
#: Bytes that a connection takes at once.
_BUFFER = 65_536
_LINES = [
    b"Content-Length: 7",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b"Name : x",
    b"Name: \0",
    b" folded",
    b"Name: " + b"x" * 5000,
    b"Content-Length: " + b"9" * 5000,
    b"\r\nPOST / HTTP/1.1",
    b"Expect: 100-continue",
    b"Connection: Upgrade, HTTP2-Settings",
    b"no colon",
    b"\xff\xfe: x",
]


class Wire:
    """A receiver of the Procfile's, and what it answers."""

    def __init__(self, stack: Stack) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[BaseException] = []
        self._stack = stack
        self._slots = asyncio.Semaphore(100)
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, case: Case, random: Random) -> None:
        """Send the case on a connection of its own, once there is room; return before the answer."""
        await self._slots.acquire()
        task = asyncio.create_task(self._send(_request(case, random), leave=random.random() < 0.02))
        self._under_way.add(task)
        task.add_done_callback(self._note)

    async def finish(self) -> None:
        """Wait for all answers and read the log. Raises Failure."""
        await asyncio.gather(*self._under_way)
        log = self._stack.log("web")
        for never in ("Traceback", "rror in ", KEY.decode()):
            if never in log:
                at = log.index(never)
                raise Failure(f"{never!r} in the log: {log[max(0, at - 500) : at + 2000]}")

    def _note(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()):
            self.failures.append(error)

    def memory(self) -> int:
        """Return the resident bytes of the receiver's processes."""
        group = os.getpgid(self._stack.processes["web"].pid)
        pages = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(process.name)) == group:
                    pages += int((process / "statm").read_text().split()[1])
            except OSError:
                continue
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def _send(self, sent: bytes, *, leave: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._stack.port)
        answer = b""
        try:
            writer.write(sent)
            if leave:
                self.answers["left before the answer"] += 1
                return
            async with asyncio.timeout(20):
                answer = await reader.read()
        except TimeoutError:
            pass  # no answer is a failure, below
        except ConnectionError:
            # Another path or method is not heard out: the rest of a large body breaks the connection.
            if len(sent) > _BUFFER:
                self.answers["broken off"] += 1
                return
        finally:
            writer.close()
        statuses = [int(status) for status in re.findall(rb"HTTP/1\.\d (\d{3}) ", answer)]
        if not statuses or not set(statuses) <= _ALLOWED or KEY in answer:
            raise Failure(f"answered {answer[:500]!r} to {sent[:3000]!r}")
        self.answers[str(statuses[-1])] += 1


def _request(case: Case, random: Random) -> bytes:
    lines = [f"{case.method} {case.path} HTTP/1.1".encode(), b"Connection: close"]
    lines += [name + b": " + value for name, value in case.headers]
    body = case.body
    if random.random() < 0.2:
        lines.append(b"Transfer-Encoding: chunked")
        pieces = [body[at : at + case.piece] for at in range(0, len(body), case.piece)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    else:
        lines.append(b"Content-Length: %d" % len(body))
    if random.random() < 0.1:
        lines.insert(random.randrange(2, len(lines)), random.choice(_LINES))
    sent = b"\r\n".join([*lines, b"", body])
    if random.random() < 0.05:
        # Behind the line that ends the connection: it would stay open otherwise.
        at = random.randrange(sent.index(b"close") + 7, sent.index(b"\r\n\r\n") + 4)
        sent = sent[:at] + bytes([random.randrange(256)]) + sent[at + 1 :]
    return sent
