"""Dead messages of the broker's, shown as letters are, under ids that begin with `b`."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from click import ClickException
from kombu import Producer

from celeryconfig import SWEEP_TASK
from tasks.cli.celery_app import celery_app, may_pass
from tasks.cli.dead_queue import may_hold_messages
from tasks.cli.output import say
from tasks.store.states import RunState
from tasks.worker.dead_messages import DeadMessage, dead_messages

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


class Held(NamedTuple):
    """What lies in the broker's dead queue, held."""

    messages: Sequence[DeadMessage]
    #: What sends one of them again.
    producer: Producer | None
    #: Whether the broker was there to be asked.
    is_whole: bool = True


@contextmanager
def broker_letters() -> Iterator[Held]:
    """Hold what lies in the broker's dead queue; nothing, with a warning, while it is away."""
    held = Held((), None)
    with ExitStack() as stack:
        try:
            if may_hold_messages():
                held = Held(*stack.enter_context(dead_messages(celery_app())))
        except Exception as error:
            if not may_pass(error):
                raise
            say(f"Warning: the broker's dead messages are left out: {error}", err=True)
            held = Held((), None, is_whole=False)
        yield held


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
