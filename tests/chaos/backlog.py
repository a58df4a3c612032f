"""A backlog: what gathers while no worker runs, and how the receiver does while it drains."""

import signal
import statistics
from dataclasses import dataclass

from tests.chaos.load import Load, deliveries
from tests.chaos.scene import Scene
from tests.waiting import wait_until


@dataclass(frozen=True)
class Backlog:
    """Lets events gather while no worker runs, then starts one; the receiver must go on as before."""

    events: int

    def __call__(self, scene: Scene) -> int:
        """Measure the answers before and while the backlog drains."""
        scene.stack.kill("worker", signal.SIGTERM)
        _deliver_all(scene, Load(scene.stack.url, deliveries(self.events, scene.chance, alone=True), 0))
        for name in ("before", "while it drains"):
            if name != "before":
                scene.stack.start_process("worker")
            probe = Load(scene.stack.url, deliveries(500, scene.chance, alone=True), 20)
            _deliver_all(scene, probe)
            taken = sorted(each.seconds for each in probe.answers)
            p99 = taken[int(len(taken) * 0.99)]
            scene.notes.append(
                f"receiver {name}: median {1000 * statistics.median(taken):.0f} ms, p99 {1000 * p99:.0f} ms"
            )
            assert p99 < 1, f"the receiver has become slow {name}"
        return 1


def _deliver_all(scene: Scene, load: Load) -> None:
    """Deliver a load beside the scene's, and count it with the scene's."""
    load.start()
    wait_until(lambda: load.is_through, seconds=600, what="everything is answered 200")
    scene.load.accepted |= load.accepted
    scene.load.answers += load.answers
