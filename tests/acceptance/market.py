"""The whole way: a running product, and whom it tells."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pydantic import SecretStr
from sqlalchemy import Engine, RowMapping, select

from tasks.settings import Settings
from tasks.store.schema import endpoints, notifications
from tests.chaos.load import Load, deliveries
from tests.engines import connected
from tests.hastening import hasten, ring
from tests.notified_server import NotifiedServer
from tests.operator import Operator
from tests.stack import Stack
from tests.waiting import wait_until


@dataclass
class Market:
    """A running product with endpoints, each a server of the test's."""

    stack: Stack
    engine: Engine
    operator: Operator
    servers: Mapping[str, NotifiedServer]

    @property
    def processes(self) -> Sequence[str]:
        """The names of those that run."""
        return list(self.stack.processes)

    def logs(self) -> str:
        """Return what all processes have written."""
        return "\n".join(map(self.stack.log, self.processes))

    def endpoint(self, name: str) -> RowMapping:
        """Return how an endpoint fares."""
        with self.engine.connect() as connection:
            return connection.execute(select(endpoints).where(endpoints.c.name == name)).mappings().one()

    def notifications(self, endpoint: str, payment_id: str | None = None) -> Sequence[RowMapping]:
        """Return how far an endpoint has been told, of one payment or of all."""
        n = notifications.c
        query = select(notifications).where(n.endpoint == endpoint).order_by(n.id)
        if payment_id:
            query = query.where(n.payment_id == payment_id)
        with self.engine.connect() as connection:
            return connection.execute(query).mappings().all()

    def states(self, endpoint: str, payment_id: str | None = None) -> set[str]:
        """Return the states of an endpoint's notifications."""
        return {each["state"] for each in self.notifications(endpoint, payment_id)}

    def why(self, endpoint: str, payment_id: str) -> str:
        """Return why an endpoint has not been told of a payment; nothing where it has, or is not yet."""
        return "".join(each["last_error"] or "" for each in self.notifications(endpoint, payment_id))

    def wait_for(self, server: str, payment_id: str, version: int) -> dict[tuple[str, str], int]:
        """Return what a version says that wallets may use, once the server is told it."""
        heard = self.servers[server].heard

        def told() -> dict[tuple[str, str], int]:
            ours = [each for each in tuple(heard) if (each.payment_id, each.version) == (payment_id, version)]
            return ours[0].usable if ours else {}

        return wait_until(told, what=f"{server} is told version {version}", log=self.logs)

    def sell(self, count: int, seconds: float = 0) -> None:
        """Deliver so many purchases of a sword, spread over some time."""
        load = Load(self.stack.url, deliveries(count, Random(), alone=True), seconds)
        load.start()
        wait_until(lambda: load.is_through, what="all are answered 200")

    def hasten(self, *names: str) -> None:
        """Let these endpoints be told now what waits for its next try."""
        hasten(self.engine)
        ring(self.operator, *names)


@contextmanager
def market(
    folder: Path, environment: Mapping[str, str], servers: Mapping[str, NotifiedServer], *processes: str
) -> Iterator[Market]:
    """Run servers and a product that tells them, each by its name."""
    given = {**environment, "LOG_FORMAT": "json"}
    with ExitStack() as exits:
        for name, server in servers.items():
            exits.enter_context(server)
            given |= named(name, server.url, server.secret)
        stack = exits.enter_context(Stack(folder, given))
        address = Settings(database_url=SecretStr(stack.environment["DATABASE_URL"])).database_url
        engine = exits.enter_context(connected(address.get_secret_value()))
        stack.release()
        stack.start("web", "worker", "notify", *processes)
        yield Market(stack, engine, exits.enter_context(Operator(stack)), servers)


def named(name: str, url: str, secret: str) -> dict[str, str]:
    """Return the variables that name an endpoint."""
    suffix = "" if name == "default" else f"_{name.upper()}"
    return {f"NOTIFY_URL{suffix}": url, f"NOTIFY_SECRET{suffix}": secret}
