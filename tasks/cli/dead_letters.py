"""`coinflowctl dead-letters`: what failed for good, why, and again.

Two kinds under one roof: letters in the database, numbered, and messages that no task could take, which lie
in the broker's queue `dead-letters` under ids that begin with `b`.
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
    newest,
    replay_messages,
    story,
    summary,
)
from tasks.cli.letter_changes import KEPT, Kept, discard_letters, kept_of, replay_letters
from tasks.cli.letter_filter import admits, choice_options, choose, filter_options
from tasks.cli.options import json_option, limit_option
from tasks.cli.output import database, print_json, print_table, say, say_lines
from tasks.store.actions import Operator
from tasks.store.states import RunState
from tasks.store.views import letters as views
from tasks.store.views.letters import Letter, LetterFilter, LetterStory, letter_number


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Read, replay and discard what failed for good."""


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
    """List dead letters, the newest last, and then what no task could take."""
    states = [RunState(state)] if state else [RunState.DEAD, RunState.PENDING]
    chosen = LetterFilter(**options, states=states)
    with database() as connection:
        listed: list[Letter | BrokerLetter] = [*views.list_letters(connection, chosen)]
    if RunState.DEAD in states:
        with broker_letters() as (held, _):
            admitted = [each for each in held if admits(chosen, each)]
            listed += [summary(each) for each in newest(admitted, chosen.limit)]
    if as_json:
        print_json(listed)
    else:
        print_table("Dead letters", listed, of=Letter)


@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@json_option
def show(letter_id: str, *, as_json: bool) -> None:
    """Show the letter ID: what failed, each time that it did, and the traceback or the message's body."""
    told: LetterStory | BrokerLetterStory | None = None
    if letter_id.startswith("b"):
        with broker_letters() as (held, _):
            told = next((story(each) for each in held if each.id == letter_id), None)
    elif number := letter_number(letter_id):
        with database() as connection:
            told = views.letter_story(connection, number)
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
    else:
        say_lines("\n".join([*map(str, told.events), told.body]))


@dead_letters.command()
@choice_options("replayed")
@operator_options
@json_option
def replay(*, by: Operator, dry_run: bool, yes: bool, as_json: bool, **options: Any) -> None:
    """Send dead letters to their handlers again, by ID (a discarded letter's, too) or by filter.

    What is fulfilled already changes nothing; what fails again is one letter with a longer history. On a
    terminal it asks first.
    """
    states = [RunState.DEAD, RunState.DISCARDED] if options["ids"] else [RunState.DEAD]
    chosen = choose(states=states, **options)
    if chosen.missing:
        raise _unknown(chosen.missing)
    names = sorted(set(chosen.messages))
    count = len(chosen.letters) + len(chosen.messages)
    say(f"{count} dead letters match.", err=as_json)
    replayed = 0
    if count and not dry_run:
        if sys.stdin.isatty() and not yes:
            click.confirm("Replay them?", abort=True)
        replayed = replay_letters(chosen.letters, by) + replay_messages(names, by)
    if as_json:
        ids_meant = [*(letter.id for letter in chosen.letters), *names]
        print_json({"matched": count, "replayed": replayed, "ids": ids_meant})
    elif not dry_run:
        say(f"{replayed} replayed.")
    elif chosen.letters:
        print_table("Would be replayed", chosen.letters)


@dead_letters.command()
@choice_options("discarded")
@operator_options
@json_option
def discard(*, by: Operator, dry_run: bool, yes: bool, as_json: bool, **options: Any) -> None:
    """Give dead letters up, by ID or by filter: their handlers get the events no more.

    A letter stays to be seen, and can be replayed by its ID. What a discarded event paid grants nothing; what
    pays later asks for a person. A message of the broker's is gone for good. Without --yes it asks first, and
    refuses where nobody can be asked.
    """
    chosen = choose(states=[] if options["ids"] else [RunState.DEAD], **options)
    dead = [each for each in chosen.letters if each.state == RunState.DEAD]
    count = len(dead) + len(chosen.messages)
    say(f"{count} dead letters match.", err=as_json)
    names = sorted(set(chosen.messages))
    meant: list[int | str] = [*(each.id for each in dead), *names]
    kept = kept_of(chosen)
    discarded: list[int | str] = []
    if count and not dry_run:
        _ask(count, yes=yes)
        found: list[tuple[int | str, RunState | None]] = [
            *discard_letters(dead, by).items(),
            *discard_messages(names, by).items(),
        ]
        discarded = [each for each, state in found if state is RunState.DEAD]
        kept += [Kept(each, KEPT[state]) for each, state in found if state is not RunState.DEAD]
    if as_json:
        ids_told = meant if dry_run else discarded
        print_json({"matched": count, "discarded": len(discarded), "ids": ids_told, "kept": kept})
    else:
        if not dry_run:
            say(f"{len(discarded)} discarded.")
        elif dead:
            print_table("Would be discarded", dead)
        if kept:
            print_table("Not changed", kept)
    if options["ids"] and kept:
        raise SystemExit(1)


def _ask(count: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(
            "Nothing was discarded, for nobody can be asked here: say --yes, or look first with --dry-run."
        )
    click.confirm(f"Discard {count} dead letters?", abort=True)


def _unknown(ids: Sequence[str]) -> click.ClickException:
    return click.ClickException(
        f"There is no such dead letter: {', '.join(ids)}. `coinflowctl dead-letters list` names them, with "
        "--state discarded those that were given up; one that is pending is being replayed already."
    )
