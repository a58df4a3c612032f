"""`coinflowctl events`: the event log."""

from collections import Counter
from typing import Any

import click

from tasks import celery
from tasks.cli.acting import operator_options
from tasks.cli.examples import examples
from tasks.cli.options import WHEN, json_option, limit_option
from tasks.cli.output import database, print_json, print_table, say, transactions
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.pipeline import rereading
from tasks.settings import Settings
from tasks.store.actions import Operator
from tasks.store.column_types import LARGEST_ID
from tasks.store.views import events as views


@click.group()
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


@examples("events show 1")
@events.command()
@click.argument("event_id", type=click.IntRange(0, LARGEST_ID))
@json_option
def show(event_id: int, *, as_json: bool) -> None:
    """Show the event with the number EVENT_ID: what came and what became of it."""
    with database() as connection:
        story = views.event_story(connection, event_id)
    if story is None:
        raise click.ClickException(f"There is no event {event_id}; `coinflowctl events list` names them.")
    if as_json:
        print_json(story)
        return
    # The key tells a person nothing and would fill the line.
    print_table(f"Event {event_id}", [story], of=views.EventLine)
    print_table("Handlers", story.handler_runs)
    print_table("Dead letters", story.dead_letters)
    if story.misfits:
        say(f"Left out, for their type is another than documented: {', '.join(story.misfits)}")
    if story.body is None:
        say("What Coinflow sent was pruned.")
    else:
        print_json(story.body)


@examples('events reread --reason "upgraded"')
@events.command()
@operator_options
@json_option
def reread(*, by: Operator, as_json: bool) -> None:
    """Read anew, after an upgrade, what an earlier version has read, and what was set aside.

    A payment of which an event says another thing now is fulfilled again. A foreign event whose merchant
    COINFLOW_MERCHANT_IDS names now, and one that can be read now, is taken in again; restart the worker
    before. It may be stopped and run again.
    """
    names = ("events", "unreadable", "foreign", "payments", "taken_in")
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    with transactions() as engine:
        for batch in rereading.reread(engine, by, Settings.load().merchant_ids):
            batch.work.send(celery.app)
            counts.update(
                events=batch.events,
                unreadable=batch.unreadable,
                foreign=batch.foreign,
                payments=len(batch.work.payment_ids),
                taken_in=len(batch.work.unread),
            )
    if as_json:
        print_json(counts)
    else:
        print_table("Read anew", [counts])


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
