"""Which dead letters a command means, of the database's and of the broker's alike."""

from collections.abc import Callable

import click

from tasks.cli.options import WHEN
from tasks.store.views.letters import LetterFilter
from tasks.worker.dead_messages import DeadMessage


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
        click.option("--error", help="Only those with this error, as PriceMismatch."),
        click.option("--type", "event_type", help="Only those of this event type."),
    ):
        command = option(command)
    return command
