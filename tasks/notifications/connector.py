"""Ways to a server: its name is looked up, and one of the addresses that are allowed is connected to."""

import asyncio
import ssl
from collections.abc import Sequence

import httpx2

from tasks.notifications.addresses import Reach, is_this_machine, refusal
from tasks.notifications.connection import Connection
from tasks.notifications.failure import Failure
from tasks.notifications.happy_eyeballs import by_turns, first_connected, place
from tasks.notifications.look_up import AddressInfo, LookUp, NameLookUp
from tasks.notifications.outcome import OutcomeKind
from tasks.notifications.progress import Progress
from tasks.notifications.tls import tls_failure


class Connector:
    """Connects to the host of a URL, with TLS if there is a `context`.

    Each connection looks the name up once and goes to an address that was checked, by its number. So nothing
    that a name server says in between leads it elsewhere.
    """

    def __init__(
        self, url: httpx2.URL, reach: Reach, context: ssl.SSLContext | None, look_up: LookUp
    ) -> None:
        self._host = url.raw_host.decode()
        self._context = context
        self._reach = reach
        self._names = NameLookUp(self._host, url.port or (443 if context else 80), look_up)

    async def connect(self, progress: Progress) -> Connection:
        """Return a new connection. Raises Failure."""
        progress.doing = f"looking up {self._host}"
        infos = self._allowed(await self._names.addresses())
        progress.doing = f"connecting to {' and '.join(map(place, infos))}"
        info, connected = await first_connected(infos)
        server = place(info)
        progress.doing = f"agreeing on TLS with {server}"
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(server),
                sock=connected,
                ssl=self._context,
                # A certificate names a host without the dot that may end it in DNS.
                server_hostname=self._host.rstrip(".") if self._context else None,
            )
        except ssl.SSLError as error:
            raise tls_failure(error, server) from error
        except OSError as error:
            raise Failure(f"{server} closed the connection instead of agreeing on TLS") from error
        return connection

    def _allowed(self, infos: Sequence[AddressInfo]) -> list[AddressInfo]:
        refusals = [self._refusal(info[4][0]) for info in infos]
        allowed = [info for info, reason in zip(infos, refusals, strict=True) if reason is None]
        if not allowed:
            raise Failure(f"{refusals[0]}", OutcomeKind.REFUSED)
        return by_turns(allowed)

    def _refusal(self, address: str) -> str | None:
        leads = f"{self._host} is" if address == self._host else f"{self._host} leads to {address},"
        if what := refusal(address, self._reach):
            return f"{leads} {what}; NOTIFY_ALLOW_PRIVATE=true allows it, if that is meant"
        if self._context is None and not is_this_machine(address):
            return f"{leads} another machine, and http is not encrypted; let NOTIFY_URL begin with https"
        return None
