"""Dead messages of the broker's, shown and replayed as letters are, under ids that begin with `b`."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from click import ClickException
from kombu import Producer

from celeryconfig import SWEEP_TASK
from tasks.cli.celery_app import broker_may_fail, celery_app
from tasks.cli.database import transactions
from tasks.cli.output import say
from tasks.store.actions import Operator
from tasks.store.operations import announce
from tasks.store.states import ActionKind, RunState
from tasks.worker.dead_messages import DeadMessage, NotReplayable, dead_messages
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind

#: Characters of a message's body that are shown.
_SHOWN = 4000
#: A former release let its sweeps expire.
_OVERTAKEN = "It was a sweep of a former release, and the next one has done its work; discard it."
_EXPLAINED = {
    "Undecodable": "Its body cannot be read; it is foreign or broken.",
    "NoTask": "It names no task; it is foreign.",
    "UnknownTask": "The worker has no task of this name; deploy the version that has it, then replay.",
    "AnotherApplication": "Another application uses the same queues: give each a BROKER_PREFIX. Or it is of "
    "a former key: set that one again beside the new one, then replay.",
    "CrashLoop": "Each delivery ended its worker; mend the cause, then replay.",
    "Expired": "It waited longer than the broker lets it; remove the limit from its queue, then replay.",
    "QueueFull": "Its queue was full, and an operator's policy drops the oldest; remove that, then replay.",
    "NotTaken": "Its task failed or ended its worker as often as it may; the worker's log says how.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLetter:
    """What `list` says of a message, under the names of a letter; what it does not know is None."""

    id: str
    event_id: None = None
    event_type: str | None
    payment_id: str | None
    handler: str | None
    error: str
    message: str
    #: The broker's word for why it lies there: rejected, expired, maxlen, delivery_limit.
    reason: str | None
    attempts: None = None
    failed_at: datetime | None
    state: str = RunState.DEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLetterStory(BrokerLetter):
    """A message with what it holds."""

    history: tuple[()] = ()
    events: list[dict[str, Any]]
    body: str


def is_of_broker(letter_id: str) -> bool:
    """Tell whether an id is one that a message of the broker's may have."""
    return letter_id.startswith("b")


def not_looked_up(ids: Sequence[str]) -> ClickException:
    """Return the error for ids of which nothing can be said while the broker is away."""
    return ClickException(f"Nothing was done, for the broker alone can tell of {', '.join(ids)}.")


@contextmanager
def broker_letters() -> Iterator[tuple[list[DeadMessage], Producer | None]]:
    """Hold what lies in the broker's dead queue; nothing, and no producer, while it is away."""
    held: list[DeadMessage] = []
    producer = None
    app = celery_app()
    with ExitStack() as stack:
        try:
            held, producer = stack.enter_context(dead_messages(app))
        except Exception as error:
            if kind(error) is not Kind.TRANSIENT:
                raise
            say(f"Warning: the broker's dead messages are left out: {error}", err=True)
        yield held, producer


def newest(messages: Sequence[DeadMessage], most: int | None) -> Sequence[DeadMessage]:
    """Return the newest so many, the newest last; those with which nothing is lost stand back."""
    ordered = sorted(messages, key=lambda each: not is_overtaken(each))
    return ordered if most is None else ordered[-most:]


def is_overtaken(message: DeadMessage) -> bool:
    """Tell whether it is a sweep that has expired: another one has done its work."""
    return message.error == "Expired" and message.task == SWEEP_TASK


def summary(message: DeadMessage) -> BrokerLetter:
    """Return what `list` says of a message."""
    return BrokerLetter(**_told(message))


def story(message: DeadMessage) -> BrokerLetterStory:
    """Return what `show` says of a message."""
    return BrokerLetterStory(**_told(message), events=message.events, body=message.text[:_SHOWN])


def _told(message: DeadMessage) -> dict[str, Any]:
    found = message.events
    return {
        "id": message.id,
        "event_type": ", ".join(sorted({str(event["event_type"]) for event in found})) or None,
        "payment_id": ", ".join(sorted({str(event["payment_id"]) for event in found})) or None,
        "handler": message.task,
        "error": message.error,
        "message": _OVERTAKEN if is_overtaken(message) else _EXPLAINED[message.error],
        "reason": message.reason,
        "failed_at": message.died_at,
    }


def replay_messages(names: Collection[str], by: Operator) -> int:
    """Send messages to their queues again; return how many. Raises ClickException if the broker fails."""
    if not names:
        return 0
    replayed = 0
    with broker_letters() as (held, producer), transactions() as engine:
        for each in held:
            if each.id not in names or producer is None:
                continue
            try:
                each.check_replayable()
            except NotReplayable as error:
                say(f"Warning: {error}", err=True)
                continue
            with engine.begin() as connection:
                announce(connection, by, ActionKind.REPLAY, each.id)
            with broker_may_fail(partial(_left, replayed)):
                each.replay(producer)
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
    with broker_letters() as (held, _), transactions() as engine:
        for each in held:
            if each.id not in found:
                continue
            with engine.begin() as connection:
                announce(connection, by, ActionKind.DISCARD, each.id)
            each.discard()
            found[each.id] = RunState.DEAD
    return found
