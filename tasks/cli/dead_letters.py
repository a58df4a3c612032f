"""`coinflowctl dead-letters`: what failed for good, why, and again.

Three kinds under one roof: what handlers failed at, numbered; what endpoints could not be told, under ids
that begin with `n`; and messages that no task could take, which lie in the broker's queue `dead-letters`
under ids that begin with `b`.
"""

import sys
from collections.abc import Sequence
from typing import Any

import click

from tasks.cli.acting import operator_options
from tasks.cli.broker_letters import (
    BrokerLetter,
    BrokerLetterStory,
    broker_letters,
    discard_messages,
    is_of_broker,
    newest,
    not_looked_up,
    replay_messages,
    story,
    summary,
)
from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.letter_changes import (
    State,
    discard_letters,
    discard_notifications,
    is_dead,
    kept,
    kept_of,
    replay_letters,
    replay_notifications,
)
from tasks.cli.letter_filter import Chosen, admits, choice_options, choose, filter_options
from tasks.cli.options import json_option, limit_option
from tasks.cli.output import print_json, print_table, say, say_lines
from tasks.cli.ringing import ring_for_what_is_due
from tasks.store.actions import Operator
from tasks.store.states import RunState
from tasks.store.views import letters as views
from tasks.store.views.dead_notifications import (
    DeadNotification,
    DeadNotificationStory,
    dead_story,
    list_dead,
)
from tasks.store.views.letters import Letter, LetterFilter, LetterStory, letter_number
from tasks.store.views.notifications import notification_name, notification_number


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Read, replay and discard what failed for good."""


@examples("dead-letters list --error PriceMismatch")
@dead_letters.command(name="list")
@filter_options
@click.option(
    "--state",
    type=click.Choice([RunState.DEAD.value, RunState.PENDING.value, RunState.DISCARDED.value]),
    help="Only dead ones, those that are being replayed, or discarded ones; all but the last unless given.",
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
        with broker_letters() as (held, producer):
            admitted = [each for each in held if admits(chosen, each)]
            listed += [summary(each) for each in newest(admitted, chosen.limit)]
            is_whole = producer is not None
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
        with broker_letters() as (held, producer):
            told = next((story(each) for each in held if each.id == letter_id), None)
        if producer is None:
            raise not_looked_up([letter_id])
    elif number := letter_number(letter_id):
        with database() as connection:
            told = views.letter_story(connection, number)
    elif number := notification_number(letter_id):
        with database() as connection:
            told = dead_story(connection, number)
    if told is None:
        raise _unknown([letter_id])
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


@examples(
    "dead-letters replay --error PriceMismatch --dry-run",
    'dead-letters replay 1 --reason "the price list is mended"',
)
@dead_letters.command()
@choice_options("replayed")
@operator_options
@json_option
def replay(*, by: Operator, dry_run: bool, yes: bool, as_json: bool, **options: Any) -> None:
    """Send dead letters where they were to go, by ID (a discarded letter's, too) or by filter.

    What is fulfilled already changes nothing; what fails again is one letter with a longer history. What an
    endpoint could not be told (`n...`) is told before what is yet to be told of the same payment. On a
    terminal it asks first. The exit code is 1 where something that is meant was not sent, or the broker,
    which may hold more, is away.
    """
    states = [RunState.DEAD, RunState.DISCARDED] if options["ids"] else [RunState.DEAD]
    chosen = choose(states=states, **options)
    if chosen.missing:
        raise _unknown(chosen.missing)
    names = sorted(set(chosen.messages))
    count = len(chosen.letters) + len(chosen.notifications) + len(chosen.messages)
    say(f"{count} dead letters match.", err=as_json)
    replayed = 0
    if count and not dry_run:
        if sys.stdin.isatty() and not yes:
            click.confirm("Replay them?", abort=True, err=True)
        # First what needs no broker.
        replayed = replay_notifications(list(chosen.notifications), by)
        ring_for_what_is_due()
        replayed += replay_letters(chosen.letters, by) + replay_messages(names, by)
    if as_json:
        ids_meant = [
            *(letter.id for letter in chosen.letters),
            *map(notification_name, chosen.notifications),
            *names,
        ]
        print_json({"matched": count, "replayed": replayed, "ids": ids_meant})
    elif not dry_run:
        say(f"{replayed} replayed.")
    else:
        _preview("Would be replayed", chosen.letters, chosen)
    left = 0 if dry_run else count - replayed
    if left:
        say(f"{left} were not replayed: as said above, or they are done with or sent already.", err=True)
    if left or not chosen.is_whole:
        raise SystemExit(1)


@examples('dead-letters discard 1 --yes --reason "the buyer was paid back"')
@dead_letters.command()
@choice_options("discarded")
@operator_options
@json_option
def discard(*, by: Operator, dry_run: bool, yes: bool, as_json: bool, **options: Any) -> None:
    """Give dead letters up, by ID or by filter: their handlers and endpoints get them no more.

    A letter stays to be seen, and can be replayed by its ID. What a discarded event paid grants nothing; what
    pays later asks for a person. A message of the broker's is gone for good. Without --yes it asks first, and
    refuses where nobody can be asked. While the broker is away the exit code is 1 where it may hold more.
    """
    chosen = choose(states=[] if options["ids"] else [RunState.DEAD], **options)
    letters = [each for each in chosen.letters if each.state == RunState.DEAD]
    numbers = [each for each, state in chosen.notifications.items() if is_dead(state)]
    names = sorted(set(chosen.messages))
    count = len(letters) + len(numbers) + len(chosen.messages)
    say(f"{count} dead letters match.", err=as_json)
    told: list[int | str] = [*(each.id for each in letters), *map(notification_name, numbers), *names]
    left, discarded = kept_of(chosen), 0
    if count and not dry_run:
        _ask(count, yes=yes)
        found: list[tuple[int | str, State]] = [
            *discard_letters(letters, by).items(),
            *discard_notifications(numbers, by).items(),
            *discard_messages(names, by).items(),
        ]
        ring_for_what_is_due()
        told = [each for each, state in found if is_dead(state)]
        left, discarded = left + kept(found), len(told)
    if as_json:
        print_json({"matched": count, "discarded": discarded, "ids": told, "kept": left})
    elif dry_run:
        _preview("Would be discarded", letters, chosen)
    else:
        say(f"{discarded} discarded.")
    if left and not as_json:
        print_table("Not changed", left)
    if (options["ids"] and left) or not chosen.is_whole:
        raise SystemExit(1)


def _preview(title: str, letters: Sequence[Letter], chosen: Chosen) -> None:
    if letters:
        print_table(title, letters)
    if chosen.notifications:
        print_table(f"{title}, the newest of them", chosen.newest_notifications(), of=Letter)


def _ask(count: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(
            "Nothing was discarded, for nobody can be asked here: say --yes, or look first with --dry-run."
        )
    click.confirm(f"Discard {count} dead letters?", abort=True, err=True)


def _unknown(ids: Sequence[str]) -> click.ClickException:
    return click.ClickException(
        f"There is no such dead letter: {', '.join(ids)}. `coinflowctl dead-letters list` names them, with "
        "--state discarded those that were given up; one that is pending is being replayed already."
    )
