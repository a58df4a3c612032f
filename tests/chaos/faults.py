"""The faults. Each is a function that breaks a running scene, mends it, and returns how often it broke it.

It raises AssertionError where the product answered otherwise than it promises meanwhile.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from kombu import Connection
from redis import Redis
from sqlalchemy import text

from celeryconfig import dead_queue
from tests.chaos.poison import POISON
from tests.chaos.result import dead_handlers, granted, slowest_grant
from tests.chaos.scene import Scene
from tests.services import rabbitmqctl
from tests.stack import ROOT
from tests.waiting import wait_until

Fault = Callable[[Scene], int]
#: As many payments as a worker may have under way: what was committed just then may still come to light.
_UNDER_WAY = 16
_HANDLERS = Path(__file__).parent
#: What the poisonous handlers are registered for.
_POISONED = ("KYC Failure", "KYC Created", "KYC Success")


def _pass(scene: Scene, seconds: float) -> None:
    """Let time go by; what ends meanwhile is started again, as an init would."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(0.1, left))
        scene.stack.restart_ended()


def kill_processes(scene: Scene) -> int:
    """SIGKILL a random gunicorn worker, Celery child, Celery parent or beat every second."""
    injected = 0
    while scene.load.is_sending:
        kind = scene.chance.choice(("gunicorn worker", "Celery child", "Celery parent", "beat"))
        name = {"gunicorn worker": "web", "beat": "beat"}.get(kind, "worker")
        if kind in {"gunicorn worker", "Celery child"}:
            victims = scene.stack.children(name)
        else:
            victims = [scene.stack.processes[name].pid]
        if victims:
            with suppress(ProcessLookupError):
                os.kill(scene.chance.choice(victims), signal.SIGKILL)
                injected += 1
        _pass(scene, 1)
    return injected


@dataclass(frozen=True)
class Outage:
    """Ends servers by a signal, theirs for an ordinary stop unless given, and starts them after `seconds`."""

    servers: tuple[str, ...]
    signal_number: signal.Signals | None = None
    seconds: float = 20

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        _pass(scene, max(2, (scene.load.seconds - self.seconds) / 2))
        for name in self.servers:
            scene.servers[name].stop(self.signal_number)
        began = time.monotonic()
        _pass(scene, self.seconds)
        ended = time.monotonic()
        for name in self.servers:
            scene.servers[name].start()
        _expect(scene, began, ended, 503 if "broker" in self.servers else 200)
        return len(self.servers)


def _expect(scene: Scene, began: float, ended: float, status: int) -> None:
    """Check that every delivery between two times was answered so, in the time that Coinflow waits."""
    answers = scene.load.answers_between(began, ended)
    others = [each for each in answers if each.status != status]
    assert answers, "no delivery was answered during the fault"
    assert not others, f"{len(others)} of {len(answers)} answers were not {status}: {others[0]}"


def cut_connections(scene: Scene) -> int:
    """Break a fifth of all connections to broker and database, every half second, in the middle of a send."""
    injected = 0
    while scene.load.is_sending:
        injected += sum(proxy.cut(0.2, scene.chance) for proxy in scene.proxies)
        _pass(scene, 0.5)
    return injected


@dataclass(frozen=True)
class Stall:
    """Lets no byte through to broker and database for `seconds`."""

    seconds: float = 30

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        _pass(scene, max(2, (scene.load.seconds - self.seconds) / 2))
        injected = sum(proxy.stall() for proxy in scene.proxies)
        began = time.monotonic()
        _pass(scene, self.seconds)
        _expect(scene, began, time.monotonic(), 503)
        for proxy in scene.proxies:
            proxy.resume()
        return injected


def silence_connections(scene: Scene) -> int:
    """Let every connection to broker and database fall silent without an end, as a firewall does; twice.

    Fulfilment must go on, and the second time SIGTERM must end everything.
    """
    _pass(scene, 3)
    injected = sum(proxy.silence() for proxy in scene.proxies)
    _expect_grants(scene, within=60)
    injected += sum(proxy.silence() for proxy in scene.proxies)
    _pass(scene, 1)
    scene.notes.append(f"SIGTERM took {_stop(scene):.1f} s meanwhile")
    return injected


def kill_nodes(scene: Scene) -> int:
    """Kill the node that leads the queue, and once it is back the one that the worker is connected to.

    Fulfilment must go on each time, and SIGTERM must end everything while a node is away.
    """
    _pass(scene, 3)
    for find in (scene.cluster.leader, lambda queue: scene.cluster.consuming(queue)[0]):
        scene.cluster.wait_in_sync()
        node = find("events")
        node.stop(signal.SIGKILL)
        _expect_grants(scene, within=15)
        scene.notes.append(f"SIGTERM took {_stop(scene):.1f} s while a node was away")
        # Here the processes' own start counts, too.
        _expect_grants(scene, within=45)
        node.start()
    return 2


def _expect_grants(scene: Scene, *, within: float) -> None:
    """Wait until more is granted than was under way."""
    before, began = granted(scene.engine), time.monotonic()
    while granted(scene.engine) < before + _UNDER_WAY:
        assert time.monotonic() < began + within, f"fulfilment does not go on within {within:g} s"
        _pass(scene, 0.2)
    scene.notes.append(f"fulfilment went on within {time.monotonic() - began:.1f} s")


@dataclass(frozen=True)
class MemoryAlarm:
    """Makes RabbitMQ block its publishers for `seconds`, while a handler wants to be tried again."""

    seconds: float = 180

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic; nothing may become a dead message for it."""
        scene.stack.kill("worker")
        scene.stack.write_handlers(_HANDLERS.joinpath("impatient_handlers.py").read_text())
        scene.stack.start_process("worker")
        for _ in range(_UNDER_WAY):
            scene.stack.trigger("KYC Created")
        _pass(scene, max(5, (scene.load.seconds - self.seconds) / 2))
        broker = scene.servers["broker"]
        rabbitmqctl(broker, "set_vm_memory_high_watermark", "absolute", "1MB")
        began = time.monotonic()
        _pass(scene, self.seconds)
        _expect(scene, began, time.monotonic(), 503)
        rabbitmqctl(broker, "set_vm_memory_high_watermark", "0.4")
        _pass(scene, 10)
        with Connection(scene.stack.environment["BROKER_URL"]) as connection:
            assert _dead_messages(connection) == 0, "there are false dead messages"
        return 1


@dataclass(frozen=True)
class MemoryFull:
    """Leaves Redis no memory for `seconds`, in which the worker is killed and started again."""

    seconds: float = 15

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        _pass(scene, max(2, (scene.load.seconds - self.seconds) / 2))
        with Redis(port=scene.servers["broker"].port) as broker:
            broker.config_set("maxmemory", 1)
            began = time.monotonic()
            scene.stack.kill("worker")
            scene.stack.start_process("worker")
            _pass(scene, self.seconds)
            _expect(scene, began, time.monotonic(), 503)
            broker.config_set("maxmemory", 0)
        return 1


@dataclass(frozen=True)
class DiskFull:
    """Fills the file system of database and broker for `seconds`."""

    seconds: float = 15

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        _pass(scene, max(2, (scene.load.seconds - self.seconds) / 2))
        filler = scene.stack.folder / "disk" / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        began = time.monotonic()
        _pass(scene, self.seconds)
        refused = [each for each in scene.load.answers_between(began, time.monotonic()) if each.status != 200]
        assert refused, "the disk was not full"
        assert {each.status for each in refused} == {503}, refused
        filler.unlink()
        return 1


@dataclass(frozen=True)
class ReadOnly:
    """Makes the disk of database and broker read-only for `seconds`, as Linux does after a disk error."""

    seconds: float = 15

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        _pass(scene, max(2, (scene.load.seconds - self.seconds) / 2))
        # Linux refuses while a file is open for writing: the processes come back to files they cannot write.
        names = list(scene.stack.processes)
        for name in names:
            scene.stack.kill(name)
        self._remount(scene, "ro")
        for name in names:
            scene.stack.start_process(name)
        wait_until(lambda: scene.stack.get("/healthz") == 200, seconds=20, what="the receiver answers")
        began = time.monotonic()
        _pass(scene, self.seconds)
        _expect(scene, began, time.monotonic(), 503)
        self._remount(scene, "rw")
        return 1

    @staticmethod
    def _remount(scene: Scene, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", scene.stack.folder / "disk"], check=True)


@dataclass(frozen=True)
class DatabaseReadOnly:
    """Makes PostgreSQL read-only for `seconds`, in which every process has to connect anew."""

    seconds: float = 15

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        _pass(scene, max(2, (scene.load.seconds - self.seconds) / 2))
        self._administer(
            scene,
            "ALTER DATABASE postgres SET default_transaction_read_only = on",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
        )
        scene.stack.kill("worker")
        scene.stack.start_process("worker")
        began = time.monotonic()
        before = granted(scene.engine)
        _pass(scene, self.seconds)
        _expect(scene, began, time.monotonic(), 200)
        assert granted(scene.engine) == before, "the database was not read-only"
        self._administer(scene, "ALTER DATABASE postgres RESET default_transaction_read_only")
        return 1

    @staticmethod
    def _administer(scene: Scene, *statements: str) -> None:
        with scene.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # The administrator's own session would be read-only, too.
            connection.execute(text("SET default_transaction_read_only = off"))
            for statement in statements:
                connection.execute(text(statement))


def poison(scene: Scene) -> int:
    """Send tasks that kill their process, never return or ignore their time limit.

    Each must become a dead letter in bounded time, and other events must be granted meanwhile.
    """
    scene.stack.kill("worker")
    scene.stack.start_process("worker", "--include tests.chaos.poison")
    with Connection(scene.stack.environment["BROKER_URL"]) as connection:
        before = granted(scene.engine)
        for task in POISON:
            _send(scene, task)
        dead = partial(_dead_messages, connection)
        wait_until(lambda: dead() == len(POISON), seconds=120, what="each is a dead letter")
        assert granted(scene.engine) > before, "nothing was granted beside them"
    return len(POISON)


def poison_handlers(scene: Scene) -> int:
    """Give the product a merchant's handlers that do the same; fulfilment must go on beside them."""
    scene.stack.kill("worker")
    scene.stack.write_handlers(_HANDLERS.joinpath("poisonous_handlers.py").read_text())
    scene.stack.start_process("worker")
    began = datetime.now(UTC)
    for event_type in _POISONED:
        scene.stack.trigger(event_type)
    dead = partial(dead_handlers, scene.engine)
    wait_until(
        lambda: len(dead()) == len(_POISONED), seconds=150, what="every poisoned event is a dead letter"
    )
    slowest = slowest_grant(scene.engine, began)
    scene.notes.append(f"slowest grant beside them: {slowest:.1f} s")
    # Seconds: as long as a worker needs to start.
    assert slowest < 15, "fulfilment has waited for them"
    return len(_POISONED)


def _send(scene: Scene, task: str) -> None:
    command = [sys.executable, "-m", "tests.chaos.poison", task]
    subprocess.run(command, cwd=ROOT, env=scene.stack.environment, check=True)


def _dead_messages(connection: Connection) -> int:
    queue = dead_queue.name
    found = connection.default_channel.queue_declare(queue, passive=True)  # type: ignore[attr-defined]  # AMQP's
    return int(found.message_count)


_READY = re.compile(r"celery@\S+ ready\.")
_COLOUR = re.compile(r"\x1b\[\d+m")
_FAULTY_LINE = re.compile(r"\[(?:error|critical) *\]|Traceback|SIGKILL")


def _has_started(scene: Scene, times: int) -> bool:
    return len(_READY.findall(scene.stack.log("worker"))) >= times


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


def _stop(scene: Scene) -> float:
    """Send SIGTERM to every process and start them again; return the seconds until the last has ended."""
    began = time.monotonic()
    for process in scene.stack.processes.values():
        os.killpg(process.pid, signal.SIGTERM)
    for name, process in scene.stack.processes.items():
        wait_until(
            partial(_has_ended, process),
            seconds=25,
            what=f"{name} has ended after SIGTERM",
            log=partial(scene.stack.log, name),
        )
    took = time.monotonic() - began
    scene.stack.restart_ended()
    return took


def stop_everything(scene: Scene) -> int:
    """Send SIGTERM to every process at once, as Heroku does, and start them again; errors in a log fail."""
    injected = 0
    while scene.load.is_sending:
        _pass(scene, 3)
        # Celery itself logs an error when the signal comes while its processes are still starting.
        started = partial(_has_started, scene, injected + 1)
        wait_until(started, seconds=30, what="the worker is ready", log=partial(scene.stack.log, "worker"))
        _stop(scene)
        injected += 1
    for name in scene.stack.processes:
        lines = _COLOUR.sub("", scene.stack.log(name)).splitlines()
        faulty = [line for line in lines if _FAULTY_LINE.search(line)]
        assert not faulty, f"{name} has logged: {faulty[0]}"
    return injected
