"""Servers that are away, full, read-only or block their clients."""

import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass

from kombu import Connection
from redis import Redis
from sqlalchemy import text

from tests.chaos.checks import UNDER_WAY, dead_messages, expect_answers, go_by, lead_in
from tests.chaos.result import granted
from tests.chaos.scene import Scene
from tests.merchants import employ
from tests.services import rabbitmqctl
from tests.waiting import wait_until


@dataclass(frozen=True)
class Outage:
    """Ends servers by a signal, theirs for an ordinary stop unless given, and starts them after `seconds`."""

    servers: tuple[str, ...]
    signal_number: signal.Signals | None = None
    seconds: float = 20

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        lead_in(scene, self.seconds)
        for name in self.servers:
            scene.servers[name].stop(self.signal_number)
        began = time.monotonic()
        go_by(scene, self.seconds)
        ended = time.monotonic()
        for name in self.servers:
            scene.servers[name].start()
        expect_answers(scene, began, ended, 503 if "broker" in self.servers else 200)
        return len(self.servers)


@dataclass(frozen=True)
class MemoryAlarm:
    """Makes RabbitMQ block its publishers for `seconds`, while a handler wants to be tried again."""

    seconds: float = 180

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic; nothing may become a dead message for it."""
        scene.stack.kill("worker")
        scene.stack.environment |= employ("tests.merchants.impatient")
        scene.stack.start_process("worker")
        for _ in range(UNDER_WAY):
            scene.stack.trigger("KYC Created")
        go_by(scene, max(5, (scene.load.seconds - self.seconds) / 2))
        broker = scene.servers["broker"]
        rabbitmqctl(broker, "set_vm_memory_high_watermark", "absolute", "1MB")
        began = time.monotonic()
        go_by(scene, self.seconds)
        expect_answers(scene, began, time.monotonic(), 503)
        rabbitmqctl(broker, "set_vm_memory_high_watermark", "0.4")
        go_by(scene, 10)
        with Connection(scene.stack.environment["BROKER_URL"]) as connection:
            assert dead_messages(connection) == 0, "there are false dead messages"
        return 1


@dataclass(frozen=True)
class MemoryFull:
    """Leaves Redis no memory for `seconds`, in which the worker is killed and started again."""

    seconds: float = 15

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        lead_in(scene, self.seconds)
        with Redis(port=scene.servers["broker"].port) as broker:
            broker.config_set("maxmemory", 1)
            began = time.monotonic()
            scene.stack.kill("worker")
            scene.stack.start_process("worker")
            go_by(scene, self.seconds)
            expect_answers(scene, began, time.monotonic(), 503)
            broker.config_set("maxmemory", 0)
        return 1


@dataclass(frozen=True)
class DiskFull:
    """Fills the file system of database and broker for `seconds`."""

    seconds: float = 15

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        lead_in(scene, self.seconds)
        filler = scene.stack.folder / "disk" / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        began = time.monotonic()
        go_by(scene, self.seconds)
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
        lead_in(scene, self.seconds)
        # Linux refuses while a file is open for writing: the processes come back to files they cannot write.
        names = list(scene.stack.processes)
        for name in names:
            scene.stack.kill(name)
        self._remount(scene, "ro")
        for name in names:
            scene.stack.start_process(name)
        wait_until(lambda: scene.stack.get("/healthz") == 200, seconds=20, what="the receiver answers")
        began = time.monotonic()
        go_by(scene, self.seconds)
        expect_answers(scene, began, time.monotonic(), 503)
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
        lead_in(scene, self.seconds)
        self._administer(
            scene,
            "ALTER DATABASE postgres SET default_transaction_read_only = on",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
        )
        scene.stack.kill("worker")
        scene.stack.start_process("worker")
        began = time.monotonic()
        before = granted(scene.engine)
        go_by(scene, self.seconds)
        expect_answers(scene, began, time.monotonic(), 200)
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
