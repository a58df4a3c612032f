"""Which dead letters a command means, of the database's and of the broker's alike."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import select

from tasks.cli.events import WHEN
from tasks.cli.output import rows
from tasks.store.schema import RunState, events, handler_runs
from tasks.store.schema import dead_letters as letters
from tasks.worker.dead_messages import DeadMessage


@dataclass(frozen=True)
class LetterFilter:
    """Which letters are meant; what is None or empty excludes none."""

    ids: Collection[str] = ()
    event_type: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def letters(self, connection: Any, *states: RunState) -> list[dict[str, Any]]:
        """Return the database's letters, the newest first."""
        query = (
            select(
                letters.c.id,
                letters.c.event_id,
                events.c.event_type,
                events.c.payment_id,
                letters.c.handler,
                letters.c.error,
                letters.c.message,
                letters.c.attempts,
                letters.c.failed_at,
                handler_runs.c.state,
            )
            .join(events, events.c.id == letters.c.event_id)
            .join(
                handler_runs,
                (handler_runs.c.event_id == letters.c.event_id)
                & (handler_runs.c.handler == letters.c.handler),
            )
            .where(handler_runs.c.state.in_(states))
            .order_by(letters.c.failed_at.desc(), letters.c.id.desc())
        )
        if self.ids:
            query = query.where(letters.c.id.in_([int(each) for each in self.ids if each.isdecimal()]))
        if self.event_type is not None:
            query = query.where(events.c.event_type == self.event_type)
        if self.error is not None:
            query = query.where(letters.c.error == self.error)
        if self.since is not None:
            query = query.where(letters.c.failed_at >= self.since.replace(tzinfo=UTC))
        if self.until is not None:
            query = query.where(letters.c.failed_at < self.until.replace(tzinfo=UTC))
        return rows(connection, query)

    def admits(self, message: DeadMessage) -> bool:
        """Tell whether a message of the broker's is meant; one without a time is in no range of time."""
        types = [event["event_type"] for event in message.events]
        at = message.died_at
        return (
            (not self.ids or message.id in self.ids)
            and self.event_type in {None, *types}
            and self.error in {None, message.error}
            and (self.since is None or (at is not None and at >= self.since.replace(tzinfo=UTC)))
            and (self.until is None or (at is not None and at < self.until.replace(tzinfo=UTC)))
        )


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that make up a `LetterFilter`, all but its ids."""
    for option in (
        click.option("--until", type=WHEN, help="Only those that failed before this time (UTC)."),
        click.option("--since", type=WHEN, help="Only those that failed at this time (UTC) or later."),
        click.option("--error", help="Only those with this error, as PriceMismatch."),
        click.option("--type", "event_type", help="Only those of this event type."),
    ):
        command = option(command)
    return command
