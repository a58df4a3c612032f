"""Another process at an embedded broker: `python -m tests.programs.embedded_broker PATH WHAT`.

It says a line on standard output when it has done what the test waits for.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kombu import Connection, Consumer, Exchange, Queue

from tests.integration.work_queue import WORK, embedded, take


def hold(connection: Connection) -> None:
    """Take a message and keep it."""
    assert take(connection)
    say(0)
    time.sleep(600)


def fork_and_hold(connection: Connection) -> None:
    """Take a message and keep it, with a child that lives on; say its id."""
    assert take(connection)
    if child := os.fork():
        say(child)
    time.sleep(600)


def read(connection: Connection) -> None:
    """Consume from the queue of work, and take nothing."""
    Consumer(connection.channel(), [WORK]).consume()
    say("reads")
    time.sleep(600)


def share(connection: Connection) -> None:
    """When told to, take and acknowledge messages until no more come; say what they are."""
    say("ready")
    sys.stdin.readline()
    while taken := take(connection, 5, seconds=0.5):
        say(*(message.payload for message in taken))
        for message in taken:
            message.ack()


def hear_topic(connection: Connection) -> None:
    """Bind a queue to the exchange `news`, a topic; say what comes."""
    _hear(connection, "topic")


def hear_fanout(connection: Connection) -> None:
    """Bind a queue to the exchange `news`, a fanout; say what comes."""
    _hear(connection, "fanout")


def _hear(connection: Connection, kind: str) -> None:
    queue = Queue("there", Exchange("news", type=kind), routing_key="task.*")
    queue(connection.default_channel).declare()
    say("bound")
    say(take(connection, queue=queue)[0].payload)


def say(*words: object) -> None:
    """Print words on a line."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


ROLES: dict[str, Callable[[Connection], None]] = {
    each.__name__: each for each in (hold, fork_and_hold, read, share, hear_topic, hear_fanout)
}

if __name__ == "__main__":
    path, role = sys.argv[1:]
    ROLES[role](embedded(Path(path)))
