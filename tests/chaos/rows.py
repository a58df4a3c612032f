"""The rows of the suite, and how one is run."""

import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos import connection_faults, process_faults, server_faults
from tests.chaos.backlog import Backlog
from tests.chaos.load import Load, deliveries
from tests.chaos.proxy import Proxy
from tests.chaos.result import Result, answers, granted
from tests.chaos.scene import Scene, Servers, direct_engine, running, started
from tests.chaos.shop_faults import FailingShop
from tests.chaos.told_sales import told_sales
from tests.chaos.traffic import Purchases
from tests.waiting import wait_until

#: Breaks a running scene, mends it and returns how often it broke it. Raises AssertionError where the product
#: answered otherwise than it promises meanwhile.
Fault = Callable[[Scene], int]
#: Makes up the traffic of so many payments, and runs what it needs beside the product, in a folder.
Begin = Callable[[int, random.Random, Path], AbstractContextManager[Purchases]]


@contextmanager
def purchases(payments: int, chance: random.Random, _folder: Path) -> Iterator[Purchases]:
    """Make up purchases, which need nothing beside the product."""
    yield Purchases(deliveries(payments, chance))


@dataclass(frozen=True)
class Row:
    """A fault on some servers: seconds of traffic, and the seconds after which what has not arrived is lost.

    These leave room for a machine whose cores are busy with other things.
    """

    name: str
    servers: Servers
    fault: Fault
    seconds: float = 30
    recovery: float = 240
    proxied: bool = False
    disk: int = 0
    traffic: Begin = purchases

    def __str__(self) -> str:
        return f"{self.name} on {self.servers}"


_ONE_NODE = (Servers.EMBEDDED, Servers.RABBITMQ, Servers.REDIS)
_BROKER, _DATABASE = ("broker",), ("database",)
ROWS = [
    Row("processes killed", Servers.EMBEDDED, process_faults.kill_processes),
    Row("processes killed", Servers.RABBITMQ, process_faults.kill_processes),
    # What a killed worker held comes back after the visibility timeout.
    Row("processes killed", Servers.REDIS, process_faults.kill_processes, recovery=440),
    *(
        Row(f"{what} {how}", Servers.RABBITMQ, server_faults.Outage(names, number))
        for names, what in (
            (_BROKER, "broker"),
            (_DATABASE, "database"),
            (_BROKER + _DATABASE, "broker and database"),
        )
        for number, how in ((None, "stopped"), (signal.SIGKILL, "killed"))
    ),
    Row("connections cut", Servers.RABBITMQ, connection_faults.cut_connections, proxied=True),
    Row("connections stalled", Servers.RABBITMQ, connection_faults.Stall(), seconds=40, proxied=True),
    Row("connections silent", Servers.RABBITMQ, connection_faults.silence, seconds=60, proxied=True),
    Row("nodes killed", Servers.CLUSTER, connection_faults.kill_nodes, seconds=90),
    Row("memory alarm", Servers.RABBITMQ, server_faults.MemoryAlarm()),
    # What a killed worker held comes back after the visibility timeout.
    Row("memory full", Servers.REDIS, server_faults.MemoryFull(), recovery=440),
    Row("database read-only", Servers.RABBITMQ, server_faults.DatabaseReadOnly()),
    Row("disk full", Servers.EMBEDDED, server_faults.DiskFull(), disk=96),
    Row("disk read-only", Servers.EMBEDDED, server_faults.ReadOnly(), disk=96),
    *(Row("everything stopped", servers, process_faults.stop_everything) for servers in _ONE_NODE),
    Row("poisonous tasks", Servers.RABBITMQ, process_faults.poison, seconds=120),
    *(
        Row("poisonous handlers", servers, process_faults.poison_handlers, seconds=90)
        for servers in (Servers.EMBEDDED, Servers.RABBITMQ)
    ),
    *(
        Row("backlog", servers, Backlog(50_000), recovery=600)
        for servers in (Servers.EMBEDDED, Servers.RABBITMQ)
    ),
    *(
        Row("shop failing", servers, FailingShop(tellers=8), seconds=90, recovery=600, traffic=told_sales)
        for servers in (Servers.EMBEDDED, Servers.RABBITMQ)
    ),
]


def run(row: Row, payments: int, seed: int) -> Result:
    """Run a row; what it comes to is in the result, whatever fails. A broken one leaves its folder."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    result = _run(row, payments, seed, folder)
    if result.holds:
        shutil.rmtree(folder)
        return result
    return replace(result, notes=[*result.notes, f"Its logs and files are in {folder}."])


def _run(row: Row, payments: int, seed: int, folder: Path) -> Result:
    chance = random.Random(f"{row} {seed}")
    with ExitStack() as exits:
        traffic = exits.enter_context(row.traffic(payments, chance, folder))
        servers = exits.enter_context(started(row.servers, folder))
        ports = {name: server.port for name, server in servers.items()}
        proxies = {}
        if row.proxied:
            proxies = {name: exits.enter_context(Proxy(port)) for name, port in ports.items()}
            ports = {name: proxy.port for name, proxy in proxies.items()}
        stack = exits.enter_context(running(folder, row.servers, ports, traffic, disk=row.disk))
        engine = direct_engine(stack, servers)
        exits.callback(engine.dispose)
        load = Load(stack.url, traffic.packets, row.seconds)
        scene = Scene(stack, traffic, load, chance, engine, servers, list(proxies.values()))
        _warm_up(scene)
        load.start()
        failures = []
        injected = 0
        try:
            injected = row.fault(scene)
        except Exception as error:  # noqa: BLE001  # a row that cannot go on must not end the others
            failures.append(f"{type(error).__name__}: {error}")
        mended = time.monotonic()
        while not (settled := _settled(scene)) and time.monotonic() < mended + row.recovery:
            traffic.help(stack, engine)
            time.sleep(0.2)
        recovery = time.monotonic() - mended
        load.stop()
        if not settled:
            failures.append(f"Not settled after {row.recovery:g} s; answers: {answers(load)}.")
        return Result(
            fault=row.name,
            servers=row.servers,
            injected=injected,
            sent=len(load.answers),
            answered=sum(each.status == 200 for each in load.answers),
            slowest=max(each.seconds for each in load.answers),
            granted=granted(engine),
            lost=traffic.lost(engine, load.accepted),
            doubled=traffic.doubled(engine),
            recovery=recovery,
            failures=[*failures, *traffic.failures(engine)],
            notes=[*scene.notes, *traffic.notes()],
        )


def _warm_up(scene: Scene) -> None:
    """Deliver one payment through every queue before anything breaks.

    RabbitMQ 3.10 itself loses a quorum queue that was made within the second before its SIGKILL.
    """
    first = next(each for each in scene.load.packets if each.event_type == "Settled")
    Load(scene.stack.url, [first], 0).start()
    wait_until(lambda: granted(scene.engine), what="a first payment", log=lambda: scene.stack.log("worker"))


def _settled(scene: Scene) -> bool:
    """Tell whether every delivery was answered 200 and every event has arrived where it belongs."""
    scene.stack.restart_ended()
    return scene.load.is_through and scene.traffic.has_arrived(scene.engine, scene.load.accepted)
