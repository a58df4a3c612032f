"""What becomes of dead messages of the broker's that an operator replays or discards."""

from collections.abc import Collection
from functools import partial

from tasks.cli.broker_letters import broker_letters
from tasks.cli.celery_app import broker_may_fail
from tasks.cli.database import transactions
from tasks.cli.output import say
from tasks.store.actions import Operator
from tasks.store.operations import announce
from tasks.store.states import ActionKind, RunState
from tasks.worker.dead_messages import NotReplayable


def replay_messages(names: Collection[str], by: Operator) -> int:
    """Send messages to their queues again; return how many. Raises ClickException if the broker fails."""
    if not names:
        return 0
    replayed = 0
    with broker_letters() as held, transactions() as engine:
        for each in held.messages:
            if each.id not in names or held.producer is None:
                continue
            try:
                each.check_replayable()
            except NotReplayable as error:
                say(f"Warning: {error}", err=True)
                continue
            with engine.begin() as connection:
                announce(connection, by, ActionKind.REPLAY, each.id)
            with broker_may_fail(partial(_left, replayed)):
                each.replay(held.producer)
            replayed += 1
    return replayed


def _left(replayed: int, reason: str) -> str:
    return (
        f"The broker has not confirmed ({reason}). {replayed} of its messages were replayed; "
        "the others are still there: replay again when it is back."
    )


def discard_messages(names: Collection[str], by: Operator) -> dict[str, RunState | None]:
    """Take the messages of these ids, and copies of them, out of the queue for good.

    Returns in which state each was; None where it is there no more.
    """
    found: dict[str, RunState | None] = dict.fromkeys(names)
    if not names:
        return found
    with broker_letters() as held, transactions() as engine:
        for each in held.messages:
            if each.id not in found:
                continue
            with engine.begin() as connection:
                announce(connection, by, ActionKind.DISCARD, each.id)
            each.discard()
            found[each.id] = RunState.DEAD
    return found
