"""The client that makes one try of a notification over HTTP."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import httpx2

from tasks.notifications.addresses import Reach
from tasks.notifications.answer import Answer, outcome_of
from tasks.notifications.connection import Connection
from tasks.notifications.connector import Connector
from tasks.notifications.failure import Failure, Unanswered
from tasks.notifications.look_up import LookUp, ask_system
from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.notifications.plain_text import one_line
from tasks.notifications.progress import Progress
from tasks.notifications.request import Request, RequestForm, secrets_of
from tasks.notifications.tls import tls_context
from tasks.tracing import tracing

#: Seconds for a try in all: name look-up, connecting, TLS, sending, and reading the answer.
SECONDS = 10.0
#: Seconds after which an idle connection is not used again: whatever lies between may have forgotten it.
IDLE_SECONDS = 30.0


class HttpClient:
    """Posts to one endpoint, on connections that it keeps.

    Belongs to the event loop that enters it. Nothing but the URL says where it sends: redirects are not
    followed, the environment's proxies not used. `url` has a scheme, http or https, and a host; each of
    `secrets` is `whsec_` and base64. Raises httpx2.InvalidURL; for https ValueError, with what to tell a
    person, if `ca_file` holds no certificates.
    """

    def __init__(  # noqa: PLR0913  # each is a setting of its own, or what a test sets otherwise
        self,
        url: str,
        secrets: Sequence[str],
        *,
        concurrency: int,
        allow_private: bool,
        allow_this_machine: bool,
        ca_file: Path | None = None,
        seconds: float = SECONDS,
        look_up: LookUp = ask_system,
    ) -> None:
        parsed = httpx2.URL(url)
        reach = Reach(private=allow_private, this_machine=allow_this_machine)
        context = tls_context(ca_file) if parsed.scheme == "https" else None
        self._connector = Connector(parsed, reach, context, look_up)
        self._form = RequestForm(parsed, secrets)
        self._hidden = secrets_of(parsed, secrets)
        self._places = asyncio.Semaphore(concurrency)
        self._seconds = seconds
        self._open: set[Connection] = set()
        #: Of these the last used is the next used, so that no more are kept than are needed.
        self._idle: list[Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for connection in self._open:
            connection.close()
        await asyncio.gather(*(connection.ended for connection in self._open))

    async def post(self, message_id: str, body: bytes) -> Outcome:
        """Make one try, and return what it came to, whatever happens.

        At most `concurrency` are made at a time; the others wait, and their seconds have not begun.
        """
        async with self._places:
            outcome = await self._try(message_id, body)
        if outcome.reason is None:
            return outcome
        return replace(outcome, reason=one_line(outcome.reason, self._hidden))

    async def _try(self, message_id: str, body: bytes) -> Outcome:
        progress = Progress()
        try:
            async with asyncio.timeout(self._seconds):
                traceparent = tracing.traceparent()
                request = self._form.fill(message_id, body, datetime.now(UTC), traceparent=traceparent)
                answer = await self._ask(request, progress)
            return outcome_of(answer, datetime.now(UTC))
        except Failure as failure:
            return Outcome(failure.kind, reason=str(failure))
        except TimeoutError:
            reason = f"time-out after {self._seconds:g} s while {progress.doing}"
            if progress.asked:
                reason += "; what the server has done is unknown"
            return Outcome(OutcomeKind.TRANSIENT, progress.status, reason)
        except Exception as error:  # noqa: BLE001  # without an outcome there would be no next try
            return Outcome(OutcomeKind.TRANSIENT, reason=f"unforeseen {type(error).__name__}: {error}")

    async def _ask(self, request: Request, progress: Progress) -> Answer:
        connection = self._kept()
        if connection is not None:
            try:
                return await self._ask_on(connection, request, progress)
            except Unanswered:
                # As a rule the server closed it for being idle while the request was on its way. If not, it
                # is told the same id twice, as it may be at any time.
                pass
        connection = await self._connector.connect(progress)
        self._open.add(connection)
        connection.ended.add_done_callback(lambda _: self._open.discard(connection))
        return await self._ask_on(connection, request, progress)

    async def _ask_on(self, connection: Connection, request: Request, progress: Progress) -> Answer:
        answer = await connection.ask(request, progress)
        if connection.is_open:
            self._idle.append(connection)
        return answer

    def _kept(self) -> Connection | None:
        """Return a connection that was used and may be used again."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and now - connection.idle_since < IDLE_SECONDS:
                return connection
            connection.close()
        return None
