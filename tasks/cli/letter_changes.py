"""What becomes of dead letters that an operator replays or discards, group by group."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tasks.cli.celery_app import broker_may_fail, celery_app
from tasks.cli.database import database
from tasks.cli.letter_filter import Chosen
from tasks.cli.output import say
from tasks.pipeline.dispatch import plan
from tasks.settings import Settings
from tasks.store import notification_operations, operations
from tasks.store.actions import Operator
from tasks.store.runs import DEADLINE
from tasks.store.states import NotificationState, RunState
from tasks.store.views.letters import Letter, LetterFilter, list_letters
from tasks.store.views.notifications import notification_name

T = TypeVar("T")

#: Letters per transaction and message.
_GROUP = 500

#: Why a letter in such a state is not discarded.
_KEPT: Mapping[RunState | None, str] = {
    RunState.PENDING: "It is being replayed; wait for what becomes of it.",
    RunState.DONE: "Its event is handled.",
    RunState.DISCARDED: "It was discarded before.",
    None: "There is no such letter: its event is handled, or there never was one.",
}
#: The same of a notification.
_KEPT_NOTIFICATION: Mapping[NotificationState, str] = {
    NotificationState.PENDING: "It is being told; `coinflowctl notifications show` says how far that is.",
    NotificationState.DONE: "Its endpoint was told of it.",
    NotificationState.DISCARDED: _KEPT[RunState.DISCARDED],
}
#: In which state a letter was; None where there is none.
State = RunState | NotificationState | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that was not changed."""

    id: int | str
    why: str


def kept_of(chosen: Chosen) -> list[Kept]:
    """Return those of the letters that are meant that cannot be discarded."""
    return kept(
        [
            *((each.id, RunState(each.state)) for each in chosen.letters),
            *((notification_name(number), state) for number, state in chosen.notifications.items()),
            *((each, None) for each in chosen.missing),
        ]
    )


def kept(found: Iterable[tuple[int | str, State]]) -> list[Kept]:
    """Return those that were not dead, each with the reason why it stays as it is."""
    return [
        Kept(each, _KEPT_NOTIFICATION[state] if isinstance(state, NotificationState) else _KEPT[state])
        for each, state in found
        if not is_dead(state)
    ]


def is_dead(state: State) -> bool:
    """Tell whether it can be discarded."""
    return state is RunState.DEAD or state is NotificationState.DEAD


def replay_notifications(numbers: Sequence[int], by: Operator) -> int:
    """Let endpoints be told again; return of how many. The others are named."""
    replayed = 0
    for _, group in _groups(numbers):
        with database() as connection:
            told = notification_operations.replay(connection, by, group)
        replayed += len(told)
        if left := sorted(set(group) - set(told)):
            names = ", ".join(map(notification_name, left))
            say(f"Warning: {names}: no process tells their endpoints, or they are being told.", err=True)
    return replayed


def discard_notifications(numbers: Sequence[int], by: Operator) -> dict[str, NotificationState | None]:
    """Give notifications up that are dead; return in which state each was."""
    found: dict[int, NotificationState | None] = {}
    for _, group in _groups(numbers):
        with database() as connection:
            found |= notification_operations.discard(connection, by, group)
    return {notification_name(number): state for number, state in found.items()}


def replay_letters(letters: Sequence[Letter], by: Operator) -> int:
    """Replay letters group by group: first the runs are pending, for certain, then they are sent.

    Returns how many. Those that go nowhere any more are dead again at once, and are named.
    """
    replayed = 0
    # First, for the merchant's handlers come with it, and without them a plan gives their runs up.
    app = celery_app()
    for start, group in _groups(letters):
        with database() as connection:
            event_ids = operations.replay(connection, by, [each.id for each in group])
            work = plan(connection, event_ids)
            again = list_letters(connection, _still_dead(group))
        for each in again:
            say(f"Warning: {each.id} is dead again: {each.error}: {each.message}", err=True)
        pending = len(event_ids) - len(again)
        left = len(letters) - start - len(group)
        with broker_may_fail(partial(_left, replayed, pending, left)):
            work.send(app)
        replayed += pending
    return replayed


def _still_dead(letters: Sequence[Letter]) -> LetterFilter:
    return LetterFilter(ids=[str(each.id) for each in letters], states=[RunState.DEAD], limit=None)


def _left(replayed: int, pending: int, left: int, reason: str) -> str:
    return (
        f"The broker cannot be reached ({reason}). {replayed} letters were sent; the next {pending} are "
        f"pending, and recovery sends them within {DEADLINE.seconds // 60 + 1} minutes, or when the broker "
        f"is back. {left} are left: replay again then."
    )


def discard_letters(letters: Sequence[Letter], by: Operator) -> dict[int, RunState | None]:
    """Discard letters that are dead; return in which state each was."""
    found: dict[int, RunState | None] = {}
    currency = Settings.load().default_currency
    for _, group in _groups(letters):
        with database() as connection:
            found |= operations.discard(connection, by, [each.id for each in group], currency)
    return found


def _groups(letters: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    for start in range(0, len(letters), _GROUP):
        yield start, letters[start : start + _GROUP]
