"""Whether the process lives and whether it can do its job."""

import asyncio
import time
from collections.abc import Callable

from falcon.asgi import Request, Response

from receiver.answers import NOT_READY


class Healthz:
    """200 while the process lives."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Answer at once."""
        resp.media = {"status": "alive"}


class Readyz:
    """200 while the broker can be reached, else 503.

    An answer is kept for `keep` seconds and probes never overlap, so that callers cannot turn this
    route into a flood of connections to the broker.
    """

    def __init__(self, reach: Callable[[], None], *, timeout: float = 4.0, keep: float = 1.0) -> None:
        self._reach = reach
        self._timeout = timeout
        self._keep = keep
        self._probe: asyncio.Future[None] | None = None
        self._probed_at = 0.0

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Answer within `timeout` seconds."""
        if self._probe is None or (self._probe.done() and time.monotonic() - self._probed_at > self._keep):
            self._probe = asyncio.ensure_future(asyncio.to_thread(self._reach))
            self._probe.add_done_callback(self._note)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(self._probe)
        except Exception:  # noqa: BLE001  # whatever keeps the probe from succeeding, the answer is the same
            raise NOT_READY.error(retry_after=1) from None
        resp.media = {"status": "ready"}

    def _note(self, probe: asyncio.Future[None]) -> None:
        self._probed_at = time.monotonic()
        probe.exception()
