"""Sales of which a shop is told: whatever fails, it ends with what the ledger says."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TypeAlias

from sqlalchemy import Connection, Engine, func, select

from tasks.payments.wallet import wallet_key
from tasks.store.schema import events, handler_runs, ledger_entries, notifications, payments, wallets
from tasks.store.states import NotificationState, RunState
from tests.chaos.load import Packet
from tests.chaos.sales import CATALOG, Sale, deliveries, sales
from tests.chaos.shop import Shop
from tests.chaos.traffic import Purchases
from tests.hastening import hasten, ring
from tests.operator import Operator
from tests.stack import Stack

#: Seconds between two looks of an operator at what waits.
_PAUSE = 3.0
#: As NOTIFY_CONCURRENCY has it unless told otherwise.
_CONCURRENCY = 20
#: How many of each item a wallet may use.
Lines: TypeAlias = Counter[tuple[str, str]]
_ENTRIES = select(
    ledger_entries.c.payment_id, wallets.c.name, ledger_entries.c.item, ledger_entries.c.delta
).join(wallets)


class ToldSales(Purchases):
    """Sales that change later, each change told to a shop."""

    processes = ("web", "worker", "beat", "notify")

    def __init__(self, made: Sequence[Sale], shop: Shop, catalog: Path, chance: Random) -> None:
        super().__init__(deliveries(made, chance))
        self.environment = {
            "CATALOG_PATH": str(catalog),
            "NOTIFY_SECRET": shop.front.secret,
            "NOTIFY_URL": shop.front.url,
        }
        self.shop = shop
        self._helped_at = 0.0
        self._usable = {sale.payment_id: Counter(sale.usable) for sale in made}

    def has_arrived(self, engine: Engine, accepted: set[Packet]) -> bool:
        """Tell whether every event is handled, and every change told."""
        with engine.connect() as connection:
            stored = connection.execute(select(func.count()).select_from(events)).scalar_one()
            unhandled = select(func.count()).where(handler_runs.c.state != RunState.DONE)
            return (
                stored >= len(accepted)
                and not connection.execute(unhandled).scalar_one()
                and not _untold(connection)
            )

    def help(self, stack: Stack, engine: Engine) -> None:
        """Bring forward what waits to be told again."""
        if time.monotonic() < self._helped_at + _PAUSE:
            return
        self._helped_at = time.monotonic()
        if hasten(engine):
            with Operator(stack) as operator:
                ring(operator, "default")

    def lost(self, engine: Engine, _accepted: set[Packet]) -> int:
        """Return how many changes nobody was told, and of how many payments wallets hold too little."""
        with engine.connect() as connection:
            short = sum(bool(due - held) for due, held in self._compared(connection))
            return short + _untold(connection)

    def doubled(self, engine: Engine) -> int:
        """Return of how many payments wallets hold too much."""
        with engine.connect() as connection:
            return sum(bool(held - due) for due, held in self._compared(connection))

    def failures(self, engine: Engine) -> Sequence[str]:
        """Compare what the shop has heard and what it holds with the ledger."""
        with engine.connect() as connection:
            return [*self._disorder(connection), *self._deviations(connection)]

    def notes(self) -> Sequence[str]:
        """Return how the shop has fared."""
        heard, ends = self.shop.front.heard, self.shop.ends
        retold = len(heard) - len({each.message_id for each in heard})
        told = ", ".join(f"{count} {way}" for way, count in ends.most_common())
        at_once = self.shop.front.most_at_once
        return [f"{len(heard)} requests ({told}), {retold} of them retold; {at_once} at once at most"]

    def _compared(self, connection: Connection) -> Iterator[tuple[Lines, Lines]]:
        """Yield of each payment what is due, as its sale was made up, and what is held."""
        held: dict[str, Lines] = defaultdict(Counter)
        for payment_id, wallet, item, delta in connection.execute(_ENTRIES):
            held[payment_id][wallet_key(wallet), item] += delta
        return ((due, held[payment_id]) for payment_id, due in self._usable.items())

    def _disorder(self, connection: Connection) -> Iterator[str]:
        """Yield what was told otherwise than promised: out of order, or not the same each time."""
        versions, bodies = self.shop.front.versions(), defaultdict[str, set[bytes]](set)
        for each in self.shop.front.heard:
            bodies[each.message_id].add(each.body)
        wrong = [
            f"{told} of the {newest} of {payment_id}"
            for payment_id, newest in connection.execute(select(payments.c.id, payments.c.version))
            if (told := versions[payment_id]) != sorted(told) or {*told} != {*range(1, newest + 1)}
        ]
        if wrong:
            yield f"Of {len(wrong)} payments other versions were told than there are: {wrong[:3]}."
        if differing := sum(len(each) > 1 for each in bodies.values()):
            yield f"{differing} notifications had another body when they were told again."
        if self.shop.front.unverified:
            yield f"{self.shop.front.unverified} requests were signed by nobody."
        if self.shop.front.most_at_once > _CONCURRENCY:
            yield f"{self.shop.front.most_at_once} requests came at once."

    def _deviations(self, connection: Connection) -> Iterator[str]:
        """Yield where the shop holds something else than the ledger says."""
        ledger: Lines = Counter()
        for _, held in self._compared(connection):
            ledger += held
        if (shop := self.shop.holds()) != ledger:
            differing = {line for line in {*ledger, *shop} if ledger[line] != shop.get(line, 0)}
            yield f"The shop differs from the ledger in {len(differing)} lines: {sorted(differing)[:3]}."


@contextmanager
def told_sales(payments: int, chance: Random, folder: Path) -> Iterator[ToldSales]:
    """Make up sales, and run a shop that is told of them."""
    catalog = folder / "catalog.toml"
    catalog.write_text(CATALOG)
    with Shop(folder, Random(chance.random())) as shop:
        yield ToldSales(sales(payments, chance), shop, catalog, chance)


def _untold(connection: Connection) -> int:
    """Return how many notifications are not done; a dead one would be among them."""
    untold = select(func.count()).where(notifications.c.state != NotificationState.DONE)
    return connection.execute(untold).scalar_one()
