"""The route that Coinflow posts to: size, authentication, envelope, hand-off, 200."""

import falcon
import structlog
from falcon.asgi import Request, Response

from receiver.authentication import AuthenticationError, Authenticator
from receiver.envelope import EnvelopeError, read_envelope
from receiver.handoff import BrokerUnavailable, HandOff

_log = structlog.get_logger(__name__)

#: Seconds after which a refused sender may come again; Coinflow has a schedule of its own.
_RETRY_AFTER = 5


class Webhooks:
    """Answers 200 only once the broker holds the event."""

    def __init__(self, authenticator: Authenticator, handoff: HandOff, max_body_bytes: int) -> None:
        self._authenticator = authenticator
        self._handoff = handoff
        self._max_body_bytes = max_body_bytes

    async def on_post(self, req: Request, resp: Response) -> None:
        """Take one delivery in."""
        body = await self._read(req)
        try:
            self._authenticator.check(
                req.get_header("Authorization"), req.get_header("Coinflow-Signature"), body
            )
            envelope = read_envelope(body)
            await self._handoff.deliver(body.decode())
        except AuthenticationError as error:
            _log.warning("delivery.refused", reason=str(error), remote=req.remote_addr)
            raise falcon.HTTPUnauthorized(title="Not authentic", description=str(error)) from None
        except EnvelopeError as error:
            _log.warning("delivery.malformed", reason=str(error))
            raise falcon.HTTPBadRequest(title="Not a Coinflow event", description=str(error)) from None
        except BrokerUnavailable as error:
            raise falcon.HTTPServiceUnavailable(
                title="Try again", description=f"{error} Nothing was taken in.", retry_after=_RETRY_AFTER
            ) from None
        _log.info("delivery.accepted", event_type=envelope.eventType[:100], bytes=len(body))
        resp.media = {"success": True}

    async def _read(self, req: Request) -> bytes:
        # Counted while reading: Content-Length may be missing or lie.
        body = bytearray()
        async for chunk in req.stream:
            body += chunk
            if len(body) > self._max_body_bytes:
                raise falcon.HTTPContentTooLarge(
                    title="Body too large",
                    description=f"A body may have {self._max_body_bytes} bytes at most.",
                )
        return bytes(body)
