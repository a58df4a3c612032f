"""How an endpoint is told: by HTTP, or by a call of the merchant's function. Each bounds its own time."""

import asyncio
from contextlib import suppress
from functools import cache
from threading import BoundedSemaphore, Thread
from types import TracebackType
from typing import Protocol, Self

from tasks.errors import PermanentError
from tasks.notifications.http import SECONDS, HttpClient
from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.notifications.plain_text import one_line
from tasks.payments.change import GrantChange, Notification, notification_id
from tasks.pipeline.routing import ROUTES, OnGrantChange
from tasks.settings import Settings

#: Seconds that a function of the merchant's may take.
FUNCTION_LIMIT = 60.0


class Teller(Protocol):
    """Tells one endpoint, many at once."""

    #: Seconds that a try takes at most.
    limit: float

    async def __aenter__(self) -> Self:
        """Get ready."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Let go of everything."""

    async def tell(self, notification: Notification) -> Outcome:
        """Try once; whatever fails is an outcome."""


def teller(endpoint: str, settings: Settings) -> Teller | None:
    """Return what tells an endpoint, or None where this process knows none of its name."""
    if function := ROUTES.told.get(endpoint):
        return FunctionTeller(function, settings.notify_concurrency)
    return HttpTeller(endpoint, settings) if endpoint in settings.endpoints else None


class HttpTeller:
    """Tells a server."""

    limit = SECONDS

    def __init__(self, endpoint: str, settings: Settings) -> None:
        server = settings.endpoints[endpoint]
        self._endpoint = endpoint
        self._client = HttpClient(
            server.url.get_secret_value(),
            [secret.get_secret_value() for secret in server.secrets],
            concurrency=settings.notify_concurrency,
            allow_private=settings.notify_allow_private,
            allow_this_machine=settings.environment == "development",
            ca_file=settings.notify_ca_file,
        )

    async def __aenter__(self) -> Self:
        """Get ready."""
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._client.__aexit__(kind, error, trace)

    async def tell(self, notification: Notification) -> Outcome:
        """Send the notification."""
        change = notification.data
        message_id = notification_id(change.payment_id, change.version, self._endpoint)
        return await self._client.post(message_id, notification.body())


class FunctionTeller:
    """Calls a function of the merchant's, each time in a thread of its own.

    A thread cannot be ended. One that takes too long keeps its place among `concurrency`, so a function that
    hangs again and again stops its own endpoint and no other.
    """

    limit = FUNCTION_LIMIT

    def __init__(self, function: OnGrantChange, concurrency: int) -> None:
        self._function = function
        self._places = _places(function, concurrency)

    async def __aenter__(self) -> Self:
        """Get ready."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Wait for nobody."""

    async def tell(self, notification: Notification) -> Outcome:
        """Call the function."""
        if not self._places.acquire(blocking=False):
            return _failed("Too many calls of the function have not returned; mend it and restart `notify`.")
        returned: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        # A daemon, so that one which hangs does not keep the process from its end.
        try:
            Thread(target=self._call, args=[notification.data, returned], daemon=True).start()
        except RuntimeError:
            self._places.release()
            return _failed("The system lets no more threads begin.")
        done, _ = await asyncio.wait({returned}, timeout=self.limit)
        if not done:
            return _failed(f"The function has not returned within {self.limit:.0f} seconds.")
        error = returned.result()
        if error is None:
            return Outcome(OutcomeKind.DONE)
        reason = one_line(f"{type(error).__name__}: {error}")
        return (
            Outcome(OutcomeKind.PERMANENT, reason=reason)
            if isinstance(error, PermanentError)
            else _failed(reason)
        )

    def _call(self, change: GrantChange, returned: "asyncio.Future[BaseException | None]") -> None:
        error: BaseException | None = None
        try:
            self._function(change)
        except BaseException as raised:  # noqa: BLE001  # a merchant's function may raise anything
            error = raised
        # Before anybody hears of it, who may call again at once.
        self._places.release()
        # A loop that has ended waits no more.
        with suppress(RuntimeError):
            returned.get_loop().call_soon_threadsafe(returned.set_result, error)


@cache
def _places(_function: OnGrantChange, concurrency: int) -> BoundedSemaphore:
    return BoundedSemaphore(concurrency)


def _failed(reason: str) -> Outcome:
    return Outcome(OutcomeKind.TRANSIENT, reason=reason)
