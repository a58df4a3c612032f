"""`coinflowctl dead-letters`: what failed for good, why, and again.

Three kinds under one roof: what handlers failed at, numbered; what endpoints could not be told, under ids
that begin with `n`; and messages that no task could take, which lie in the broker's queue `dead-letters`
under ids that begin with `b`.
"""

from typing import Any

import click

from tasks.cli.broker_letters import (
    BrokerLetter,
    BrokerLetterStory,
    broker_letters,
    is_of_broker,
    newest,
    not_looked_up,
    story,
    summary,
)
from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.lazy_group import LazyGroup
from tasks.cli.letter_filter import admits, filter_options, unknown
from tasks.cli.options import json_option, limit_option
from tasks.cli.output import print_json, print_table, say_lines
from tasks.store.states import RunState
from tasks.store.views import letters as views
from tasks.store.views.dead_notifications import (
    DeadNotification,
    DeadNotificationStory,
    dead_story,
    list_dead,
)
from tasks.store.views.letters import Letter, LetterFilter, LetterStory, letter_number
from tasks.store.views.notifications import notification_number


@click.group(
    name="dead-letters",
    cls=LazyGroup,
    elsewhere={"replay": "letter_commands", "discard": "letter_commands"},
)
def dead_letters() -> None:
    """Read, replay and discard what failed for good."""


@examples("dead-letters list --error PriceMismatch")
@dead_letters.command(name="list")
@filter_options
@click.option(
    "--state",
    type=click.Choice([RunState.DEAD.value, RunState.PENDING.value, RunState.DISCARDED.value]),
    help="Only letters in this state: `pending` ones are being replayed. Dead and pending ones unless given.",
)
@limit_option
@json_option
def list_letters(*, state: str | None, as_json: bool, **options: Any) -> None:
    """List dead letters, the newest last: of handlers, of endpoints, and then what no task could take.

    While the broker is away its messages are left out, and the exit code is 1.
    """
    states = [RunState(state)] if state else [RunState.DEAD, RunState.PENDING]
    chosen = LetterFilter(**options, states=states)
    with database() as connection:
        listed: list[Letter | DeadNotification | BrokerLetter] = [*views.list_letters(connection, chosen)]
        listed += list_dead(connection, chosen)
    is_whole = True
    if RunState.DEAD in states:
        with broker_letters() as held:
            admitted = [each for each in held.messages if admits(chosen, each)]
            listed += [summary(each) for each in newest(admitted, chosen.limit)]
        is_whole = held.is_whole
    if as_json:
        print_json(listed)
    else:
        print_table("Dead letters", listed, of=Letter)
    if not is_whole:
        raise SystemExit(1)


@examples("dead-letters show 1")
@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@json_option
def show(letter_id: str, *, as_json: bool) -> None:
    """Show the letter ID: what failed, each time that it did, and the traceback or the message's body."""
    told: LetterStory | DeadNotificationStory | BrokerLetterStory | None = None
    if is_of_broker(letter_id):
        with broker_letters() as held:
            told = next((story(each) for each in held.messages if each.id == letter_id), None)
        if not held.is_whole:
            raise not_looked_up([letter_id])
    elif number := letter_number(letter_id):
        with database() as connection:
            told = views.letter_story(connection, number)
    elif number := notification_number(letter_id):
        with database() as connection:
            told = dead_story(connection, number)
    if told is None:
        raise unknown([letter_id])
    if as_json:
        print_json(told)
        return
    print_table(f"Dead letter {letter_id}", [told], of=Letter)
    if told.history:
        print_table("History", told.history)
    if isinstance(told, LetterStory):
        say_lines(told.traceback)
    elif isinstance(told, BrokerLetterStory):
        say_lines("\n".join([*map(str, told.events), told.body]))
