"""What the faults have in common: time that goes by, what is expected meanwhile, and a stop of everything."""

import os
import signal
import subprocess
import time
from functools import partial

from kombu import Connection

from celeryconfig import dead_queue
from tests.chaos.result import granted
from tests.chaos.scene import Scene
from tests.waiting import wait_until

#: As many payments as a worker may have under way: what was committed just then may still come to light.
UNDER_WAY = 16


def go_by(scene: Scene, seconds: float) -> None:
    """Let time go by; what ends meanwhile is started again, as an init would."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(0.1, left))
        scene.stack.restart_ended()


def lead_in(scene: Scene, seconds: float) -> None:
    """Let traffic go by until a fault of so many seconds comes in its middle."""
    go_by(scene, max(2, (scene.load.seconds - seconds) / 2))


def expect_answers(scene: Scene, began: float, ended: float, status: int) -> None:
    """Check that every delivery between two times was answered so, in the time that Coinflow waits."""
    answers = scene.load.answers_between(began, ended)
    others = [each for each in answers if each.status != status]
    assert answers, "no delivery was answered during the fault"
    assert not others, f"{len(others)} of {len(answers)} answers were not {status}: {others[0]}"


def expect_grants(scene: Scene, *, within: float) -> None:
    """Wait until more is granted than was under way."""
    before, began = granted(scene.engine), time.monotonic()
    while granted(scene.engine) < before + UNDER_WAY:
        assert time.monotonic() < began + within, f"fulfilment does not go on within {within:g} s"
        go_by(scene, 0.2)
    scene.notes.append(f"fulfilment went on within {time.monotonic() - began:.1f} s")


def stop_all(scene: Scene) -> float:
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


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


def dead_messages(connection: Connection) -> int:
    queue = dead_queue.name
    found = connection.default_channel.queue_declare(queue, passive=True)  # type: ignore[attr-defined]  # AMQP's
    return int(found.message_count)
