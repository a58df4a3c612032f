"""`coinflowctl events show`: what came, and what became of it."""

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table, say
from tasks.store.column_types import LARGEST_ID
from tasks.store.views.event_story import event_story
from tasks.store.views.events import EventLine


@examples("events show 1")
@click.command()
@click.argument("event_id", type=click.IntRange(0, LARGEST_ID))
@json_option
def show(event_id: int, *, as_json: bool) -> None:
    """Show the event with the number EVENT_ID: what came and what became of it."""
    with database() as connection:
        story = event_story(connection, event_id)
    if story is None:
        raise click.ClickException(f"There is no event {event_id}; `coinflowctl events list` names them.")
    if as_json:
        print_json(story)
        return
    # The key tells a person nothing and would fill the line.
    print_table(f"Event {event_id}", [story], of=EventLine)
    print_table("Handlers", story.handler_runs)
    print_table("Dead letters", story.dead_letters)
    if story.misfits:
        say(f"Left out, for their type is another than documented: {', '.join(story.misfits)}")
    if story.body is None:
        say("What Coinflow sent was pruned.")
    else:
        print_json(story.body)
