"""A shop that fails and dies, while those who tell it are killed."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from tests.chaos.checks import go_by
from tests.chaos.scene import Scene
from tests.chaos.told_sales import ToldSales

#: Seconds for which the shop is away each time.
_AWAY = 1.5


@dataclass(frozen=True)
class FailingShop:
    """Kills, in the course of the traffic, the shop three times and so often each of those who tell it.

    The shop itself fails three of ten requests.
    """

    tellers: int

    def __call__(self, scene: Scene) -> int:
        """Break the shop at even distances, and the others at random."""
        seconds = scene.load.seconds
        plan = [(seconds * quarter / 4, "shop") for quarter in (1, 2, 3)]
        for kind in ("notify", "worker", "worker's child"):
            plan += [(scene.chance.uniform(0, seconds), kind) for _ in range(self.tellers)]
        began = time.monotonic()
        killed: Counter[str] = Counter()
        for moment, kind in sorted(plan):
            go_by(scene, began + moment - time.monotonic())
            killed[kind] += _kill(scene, kind)
        go_by(scene, began + seconds - time.monotonic())
        scene.notes.append("killed: " + ", ".join(f"{count} {kind}" for kind, count in killed.items()))
        return killed.total()


def _kill(scene: Scene, kind: str) -> bool:
    """Kill one, and tell whether it was there."""
    if kind == "shop":
        _kill_shop(scene)
        return True
    victims = [scene.stack.processes["notify" if kind == "notify" else "worker"].pid]
    if kind == "worker's child":
        victims = scene.stack.children("worker")
    with suppress(ProcessLookupError, IndexError):
        os.kill(scene.chance.choice(victims), signal.SIGKILL)
        return True
    return False


def _kill_shop(scene: Scene) -> None:
    assert isinstance(scene.traffic, ToldSales)
    shop = scene.traffic.shop
    shop.kill()
    go_by(scene, _AWAY)
    shop.start()
