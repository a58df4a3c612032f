"""Processes that are killed or stopped, and tasks that do it to their own."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from kombu import Connection

from tests.chaos.checks import dead_messages, go_by, stop_all
from tests.chaos.poison import POISON
from tests.chaos.result import dead_handlers, granted, slowest_grant
from tests.chaos.scene import Scene
from tests.merchants import employ
from tests.stack import ROOT
from tests.waiting import wait_until

#: What the poisonous handlers are registered for.
_POISONED = ("KYC Failure", "KYC Created", "KYC Success")
_READY = re.compile(r"celery@\S+ ready\.")
_COLOUR = re.compile(r"\x1b\[\d+m")
_FAULTY_LINE = re.compile(r"\[(?:error|critical) *\]|Traceback|SIGKILL")


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
        go_by(scene, 1)
    return injected


def poison(scene: Scene) -> int:
    """Send tasks that kill their process or ignore their time limit.

    Each must become a dead letter in bounded time, and other events must be granted meanwhile.
    """
    scene.stack.kill("worker")
    scene.stack.start_process("worker", "--include tests.chaos.poison")
    with Connection(scene.stack.environment["BROKER_URL"]) as connection:
        before = granted(scene.engine)
        for task in POISON:
            _send(scene, task)
        dead = partial(dead_messages, connection)
        wait_until(lambda: dead() == len(POISON), seconds=120, what="each is a dead letter")
        assert granted(scene.engine) > before, "nothing was granted beside them"
    return len(POISON)


def poison_handlers(scene: Scene) -> int:
    """Give the product a merchant's handlers that do the same; fulfilment must go on beside them."""
    scene.stack.kill("worker")
    scene.stack.environment |= employ("tests.merchants.poisonous")
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


def _has_started(scene: Scene, times: int) -> bool:
    return len(_READY.findall(scene.stack.log("worker"))) >= times


def stop_everything(scene: Scene) -> int:
    """Send SIGTERM to every process at once, as Heroku does, and start them again; errors in a log fail."""
    injected = 0
    while scene.load.is_sending:
        go_by(scene, 3)
        # Celery itself logs an error when the signal comes while its processes are still starting.
        started = partial(_has_started, scene, injected + 1)
        wait_until(started, what="the worker is ready", log=partial(scene.stack.log, "worker"))
        stop_all(scene)
        injected += 1
    for name in scene.stack.processes:
        lines = _COLOUR.sub("", scene.stack.log(name)).splitlines()
        faulty = [line for line in lines if _FAULTY_LINE.search(line)]
        assert not faulty, f"{name} has logged: {faulty[0]}"
    return injected
