"""The route that Coinflow posts to: size, authentication, envelope, hand-off, 200."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import structlog
from falcon.asgi import Request, Response

from celeryconfig import TRACEPARENT
from receiver.answers import NOT_AN_EVENT, NOT_AUTHENTIC, TOO_LARGE, TRY_AGAIN
from receiver.authentication import AuthenticationError, Authenticator
from receiver.envelope import Envelope, EnvelopeError, read_envelope
from receiver.handoff import BrokerUnavailable, HandOff
from receiver.reasons import Reason
from receiver.refusals import Refusals
from receiver.tally import Tally

if TYPE_CHECKING:
    from receiver.tracing import Traces

_log = structlog.get_logger(__name__)

#: Seconds after which a refused sender may come again; Coinflow has a schedule of its own.
_RETRY_AFTER = 5
#: Every good delivery's answer, written once.
_TAKEN = b'{"success": true}'
_UNTRACED = nullcontext()


class Webhooks:
    """Answers 200 only once the broker holds the event."""

    def __init__(
        self,
        authenticator: Authenticator,
        handoff: HandOff,
        tally: Tally,
        max_body_bytes: int,
        traces: "Traces | None" = None,
    ) -> None:
        self._authenticator = authenticator
        self._handoff = handoff
        self._tally = tally
        self._max_body_bytes = max_body_bytes
        self._traces = traces
        self._refusals = Refusals()

    async def on_post(self, req: Request, resp: Response) -> None:
        """Take one delivery in."""
        body = await self._read(req)
        try:
            self._authenticator.check(
                req.get_header("Authorization"), req.get_header("Coinflow-Signature"), body
            )
            envelope = read_envelope(body)
            with self._traced(envelope, req) as traceparent:
                await self._handoff.deliver(envelope, traceparent)
        except AuthenticationError as error:
            self._tally.refuse(NOT_AUTHENTIC.status, error.reason)
            self._refusals.note(str(error))
            raise NOT_AUTHENTIC.error(str(error)) from None
        except EnvelopeError as error:
            self._tally.refuse(NOT_AN_EVENT.status, error.reason)
            _log.warning("delivery.malformed", reason=str(error))
            raise NOT_AN_EVENT.error(str(error)) from None
        except BrokerUnavailable as error:
            self._tally.refuse(TRY_AGAIN.status, error.reason)
            raise TRY_AGAIN.error(f"{error} Nothing was taken in.", retry_after=_RETRY_AFTER) from None
        resp.data = _TAKEN

    def _traced(self, envelope: Envelope, req: Request) -> AbstractContextManager[str | None]:
        if self._traces is None:
            return _UNTRACED
        return self._traces.delivery(envelope, req.get_header(TRACEPARENT))

    async def _read(self, req: Request) -> bytes:
        # Counted while reading: Content-Length may be missing or lie.
        body = bytearray()
        size = 0
        async for chunk in req.stream:
            size += len(chunk)
            # Read on, and forget: a sender that is not heard out sees its connection break, and no answer.
            if size <= self._max_body_bytes:
                body += chunk
        if size > self._max_body_bytes:
            self._tally.refuse(TOO_LARGE.status, Reason.BODY_TOO_LARGE)
            self._refusals.note(TOO_LARGE.description)
            raise TOO_LARGE.error(f"A body may have {self._max_body_bytes} bytes at most.")
        return bytes(body)
