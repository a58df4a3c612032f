"""The receiver's application in this process, and what must hold for every case."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import SecretStr

from receiver.app import create_app
from receiver.settings import Settings
from tasks.payments.decision import decide
from tests.fuzz.cases import KEY, MAX_BODY_BYTES, Case
from tests.rules import read_body, rulings

_RULINGS = rulings("items.sword.price.cents = 500")
_ALLOWED = {200, 400, 401, 404, 405, 413}


class Failure(AssertionError):
    """A case after which something does not hold; the message is what it takes to see it again."""


class Broker:
    """Takes events as the tasks would: reads each, and decides what it is worth."""

    def __init__(self) -> None:
        self.bodies: set[str] = set()
        self.errors: list[str] = []

    def publish(self, events: Sequence[dict[str, str]]) -> str:
        """Keep what was handed over."""
        for event in events:
            self.bodies.add(event["body"])
            try:
                said = read_body(event["body"])
                decide([said] if said else [], _RULINGS)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is what the fuzzing looks for
                self.errors.append(f"{error!r} from {event['body'][:500]!r}")
        return "task"

    def reach(self) -> None:
        """Be there."""


class Log(io.StringIO):
    """Stands in for standard output, and keeps what must not have been logged."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def write(self, text: str) -> int:
        """Look at some text and forget it."""
        if "Traceback" in text or KEY.decode() in text:
            self.bad.append(text)
        return len(text)


class Door:
    """Sends cases to the application, many at a time, and checks each answer."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.log = Log()
        self._broker = Broker()
        settings = Settings(COINFLOW_VALIDATION_KEY=(SecretStr(KEY.decode()),), max_body_bytes=MAX_BODY_BYTES)
        self._app = create_app(settings, self._broker)  # type: ignore[arg-type]  # a broker in all but name

    async def check(self, cases: Iterable[Case]) -> None:
        """Send the cases together. Raises Failure."""
        self._broker.bodies.clear()
        await asyncio.gather(*(self._check(case) for case in cases))
        if self._broker.errors or self.log.bad:
            raise Failure("\n".join([*self._broker.errors, *self.log.bad][:3]))

    async def _check(self, case: Case) -> None:
        status, body = await self._send(case)
        document = json.loads(body) if body else None
        self.answers[f"{status} {document.get('title', '') if document else ''}".strip()] += 1
        if status not in _ALLOWED:
            raise Failure(f"answered {status} to {case}")
        if document is not None and KEY.decode() in body.decode():
            raise Failure(f"the answer shows the key: {case}")
        if status == 200 and case.method == "POST" and not case.authentic:
            raise Failure(f"let in: {case}")
        if status != 200 and case.method != "HEAD" and set(document or ()) != {"title", "description"}:
            raise Failure(f"answered {body!r} to {case}")
        if (status == 401) == case.authentic and status in {200, 400, 401} and case.method == "POST":
            raise Failure(f"answered {status} to {case}")

    async def _send(self, case: Case) -> tuple[int, bytes]:
        pieces = [case.body[at : at + case.piece] for at in range(0, len(case.body), case.piece)] or [b""]
        incoming = iter(
            {"type": "http.request", "body": piece, "more_body": at < len(pieces) - 1}
            for at, piece in enumerate(pieces)
        )
        sent: list[Any] = []

        async def receive() -> Any:
            return next(incoming, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": case.method,
            "scheme": "http",
            "path": case.path,
            "raw_path": case.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [*case.headers, (b"content-length", str(len(case.body)).encode())],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
        }
        await self._app(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])
