"""What becomes of dead letters that an operator replays or discards, group by group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from tasks.celery import app
from tasks.cli.letter_filter import Chosen
from tasks.cli.output import database
from tasks.pipeline.dispatch import plan
from tasks.settings import Settings
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.runs import DEADLINE
from tasks.store.states import RunState
from tasks.store.views.letters import Letter
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind

#: Letters per transaction and message.
_GROUP = 500

#: Why a letter in such a state is not discarded.
KEPT: Mapping[RunState | None, str] = {
    RunState.PENDING: "It is being replayed; wait for what becomes of it.",
    RunState.DONE: "Its event is handled.",
    RunState.DISCARDED: "It was discarded before.",
    None: "There is no such letter: its event is handled, or there never was one.",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter that was not changed."""

    id: int | str
    why: str


def kept_of(chosen: Chosen) -> list[Kept]:
    """Return those of the letters that are meant that cannot be discarded."""
    letters = [each for each in chosen.letters if each.state != RunState.DEAD]
    return [
        *(Kept(each.id, KEPT[RunState(each.state)]) for each in letters),
        *(Kept(each, KEPT[None]) for each in chosen.missing),
    ]


def replay_letters(letters: Sequence[Letter], by: Operator) -> int:
    """Replay letters group by group: first the runs are pending, for certain, then they are sent."""
    replayed = 0
    for start, group in _groups(letters):
        with database() as connection:
            event_ids = operations.replay(connection, by, [each.id for each in group])
            work = plan(connection, event_ids)
        try:
            work.send(app)
        except Exception as error:
            if kind(error) is not Kind.TRANSIENT:
                raise
            raise click.ClickException(
                f"The broker cannot be reached ({error}). {replayed} letters were sent; the next "
                f"{len(event_ids)} are pending, and recovery sends them within "
                f"{DEADLINE.seconds // 60 + 1} minutes, or when the broker is back. "
                f"{len(letters) - start - len(group)} are left: replay again then."
            ) from None
        replayed += len(event_ids)
    return replayed


def discard_letters(letters: Sequence[Letter], by: Operator) -> dict[int, RunState | None]:
    """Discard letters that are dead; return in which state each was."""
    found: dict[int, RunState | None] = {}
    currency = Settings.load().default_currency
    for _, group in _groups(letters):
        with database() as connection:
            found |= operations.discard(connection, by, [each.id for each in group], currency)
    return found


def _groups(letters: Sequence[Letter]) -> Iterator[tuple[int, Sequence[Letter]]]:
    for start in range(0, len(letters), _GROUP):
        yield start, letters[start : start + _GROUP]
