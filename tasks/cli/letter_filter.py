"""Which dead letters a command means, of all kinds alike."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from tasks.cli.broker_letters import broker_letters, is_of_broker, not_looked_up
from tasks.cli.database import database
from tasks.cli.options import WHEN
from tasks.store.states import NotificationState, RunState
from tasks.store.views.dead_notifications import DeadNotification, dead_states, list_dead
from tasks.store.views.letters import Letter, LetterFilter, list_letters
from tasks.store.views.notifications import notification_name
from tasks.worker.dead_messages import DeadMessage

#: How many notifications are shown before they are changed.
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Chosen:
    """The letters that a command means."""

    #: Of handlers.
    letters: Sequence[Letter]
    #: Of endpoints, by their numbers: there may be a million.
    notifications: Mapping[int, NotificationState]
    #: Of the broker, by their ids, as often as there are copies.
    messages: Sequence[str]
    #: Asked for by their ids, and nowhere to be found.
    missing: Sequence[str]
    #: Whether the broker was looked at, too, where it may hold what is meant.
    is_whole: bool
    _filter: LetterFilter

    def newest_notifications(self) -> Sequence[DeadNotification]:
        """Return the newest of the notifications, as they are shown."""
        with database() as connection:
            return list_dead(connection, replace(self._filter, limit=_SHOWN))


def choose(*, ids: Collection[str], every: bool, states: Collection[RunState], **options: Any) -> Chosen:
    """Return the letters in these states that are meant.

    While the broker is away they are not all that there may be. Raises UsageError unless it is said which,
    and ClickException where nothing but the broker can tell of an id.
    """
    if bool(ids) + every + any(options.values()) != 1:
        raise click.UsageError("Say which: ID..., --all, or --type, --error, --since and --until.")
    chosen = LetterFilter(ids=ids, states=states, limit=None, **options)
    with database() as connection:
        letters = list_letters(connection, chosen)
        told = dead_states(connection, chosen)
    if states:
        told = {number: state for number, state in told.items() if RunState(state) in states}
    of_broker = [each for each in ids if is_of_broker(each)]
    messages, is_whole = [], True
    if of_broker or not ids:
        with broker_letters() as held:
            messages = [each.id for each in held.messages if admits(chosen, each)]
        is_whole = held.is_whole
    if of_broker and not is_whole:
        raise not_looked_up(of_broker)
    found = {*(str(letter.id) for letter in letters), *map(notification_name, told), *messages}
    return Chosen(letters, told, messages, sorted(set(ids) - found), is_whole, chosen)


def admits(chosen: LetterFilter, message: DeadMessage) -> bool:
    """Tell whether a message of the broker's is meant; one without a time is in no range of time."""
    types = [event["event_type"] for event in message.events]
    at = message.died_at
    return (
        (not chosen.ids or message.id in chosen.ids)
        and chosen.event_type in {None, *types}
        and chosen.error in {None, message.error}
        and (chosen.since is None or (at is not None and at >= chosen.since))
        and (chosen.until is None or (at is not None and at < chosen.until))
    )


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that make up a `LetterFilter`, all but ids, states and limit."""
    for option in (
        click.option("--until", type=WHEN, help="Only those that failed before this time (UTC)."),
        click.option("--since", type=WHEN, help="Only those that failed at this time (UTC) or later."),
        click.option("--error", help="Only those with this error, such as PriceMismatch."),
        click.option("--type", "event_type", help="Only those of this event type."),
    ):
        command = option(command)
    return command


def choice_options(verb: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that changes letters what `choose` takes, `--dry-run` and `--yes`."""

    def options(command: Callable[..., None]) -> Callable[..., None]:
        for option in (
            click.option("--yes", is_flag=True, help="Do not ask."),
            click.option("--dry-run", is_flag=True, help=f"Say what would be {verb}, and do nothing."),
        ):
            command = option(command)
        command = filter_options(command)
        command = click.option("--all", "every", is_flag=True, help="All of them.")(command)
        return click.argument("ids", nargs=-1, metavar="[ID]...")(command)

    return options


def unknown(ids: Sequence[str]) -> click.ClickException:
    """Return what a command fails with that was given ids of none."""
    return click.ClickException(
        f"There is no such dead letter: {', '.join(ids)}. `coinflowctl dead-letters list` names them, with "
        "--state discarded those that were given up; one that is pending is being replayed already."
    )
