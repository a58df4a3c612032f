"""Connections that break, stall or fall silent, and nodes of a cluster that die."""

import signal
import time
from dataclasses import dataclass

from tests.chaos.checks import expect_answers, expect_grants, go_by, lead_in, stop_all
from tests.chaos.scene import Scene


def cut_connections(scene: Scene) -> int:
    """Break a fifth of all connections to broker and database, every half second, in the middle of a send."""
    injected = 0
    while scene.load.is_sending:
        injected += sum(proxy.cut(0.2, scene.chance) for proxy in scene.proxies)
        go_by(scene, 0.5)
    return injected


@dataclass(frozen=True)
class Stall:
    """Lets no byte through to broker and database for `seconds`."""

    seconds: float = 30

    def __call__(self, scene: Scene) -> int:
        """Break it in the middle of the traffic."""
        lead_in(scene, self.seconds)
        injected = sum(proxy.stall() for proxy in scene.proxies)
        began = time.monotonic()
        go_by(scene, self.seconds)
        expect_answers(scene, began, time.monotonic(), 503)
        for proxy in scene.proxies:
            proxy.resume()
        return injected


def silence(scene: Scene) -> int:
    """Let every connection to broker and database fall silent without an end, as a firewall does; twice.

    Fulfilment must go on, and the second time SIGTERM must end everything.
    """
    go_by(scene, 3)
    injected = sum(proxy.silence() for proxy in scene.proxies)
    expect_grants(scene, within=60)
    injected += sum(proxy.silence() for proxy in scene.proxies)
    go_by(scene, 1)
    scene.notes.append(f"SIGTERM took {stop_all(scene):.1f} s meanwhile")
    return injected


def kill_nodes(scene: Scene) -> int:
    """Kill the node that leads the queue, and once it is back the one that the worker is connected to.

    Fulfilment must go on each time, and SIGTERM must end everything while a node is away.
    """
    go_by(scene, 3)
    for find in (scene.cluster.leader, lambda queue: scene.cluster.consuming(queue)[0]):
        scene.cluster.wait_in_sync()
        node = find("events")
        node.stop(signal.SIGKILL)
        expect_grants(scene, within=15)
        scene.notes.append(f"SIGTERM took {stop_all(scene):.1f} s while a node was away")
        # Here the processes' own start counts, too.
        expect_grants(scene, within=45)
        node.start()
    return 2
