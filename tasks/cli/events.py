"""`coinflowctl events`: the event log."""

from typing import Any

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.lazy_group import LazyGroup
from tasks.cli.options import WHEN, json_option, limit_option
from tasks.cli.output import print_json, print_table
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.store.column_types import LARGEST_ID
from tasks.store.views import events as views


@click.group(cls=LazyGroup, elsewhere={"show": "event_story", "reread": "rereading"})
def events() -> None:
    """Read the event log."""


@examples("events list --wallet alice", "events list --state invalid --since 2026-11-25 --json")
@events.command(name="list")
@click.option("--type", "event_type", help="Only events of this type.")
@click.option("--payment-id", help="Only events of this payment.")
@click.option("--wallet", help="Only events that name this buyer, in any spelling.")
@click.option("--item", help="Only events that name this item, alone or in a cart.")
@click.option("--cents", type=click.IntRange(0, LARGEST_ID), help="Only events that say that this was paid.")
@click.option(
    "--state",
    type=click.Choice(views.STATES),
    help="Only events in this state; those that cannot be read are invalid, whatever became of their letter.",
)
@click.option("--since", type=WHEN, help="Only events received at this time (UTC) or later.")
@click.option("--until", type=WHEN, help="Only events received before this time (UTC).")
@limit_option
@json_option
def list_events(*, as_json: bool, **options: Any) -> None:
    """List events, the newest last."""
    with database() as connection:
        listed = views.list_events(connection, views.EventFilter(**options))
    if as_json:
        print_json(listed)
    else:
        print_table("Events", listed)


@examples("events types")
@events.command()
@json_option
def types(*, as_json: bool) -> None:
    """List every event type that Coinflow documents, and what it means for a payment."""
    listed = [
        {
            "event_type": known.name,
            "family": known.family,
            "meaning": known.meaning,
            "category": known.category,
        }
        for known in EVENT_TYPES.values()
    ]
    if as_json:
        print_json(listed)
    else:
        print_table("Event types", listed)
