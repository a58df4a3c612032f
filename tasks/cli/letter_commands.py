"""`coinflowctl dead-letters replay` and `discard`: dead letters of every kind, again or never."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from tasks.cli.acting import operator_options
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
from tasks.cli.letter_filter import Chosen, choice_options, choose, unknown
from tasks.cli.message_changes import discard_messages, replay_messages
from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table, say
from tasks.cli.ringing import ring_for_what_is_due
from tasks.store.actions import Operator
from tasks.store.states import RunState
from tasks.store.views.letters import Letter
from tasks.store.views.notifications import notification_name


@examples(
    "dead-letters replay --error PriceMismatch --dry-run",
    'dead-letters replay 1 --reason "the price list is mended"',
)
@click.command()
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
        raise unknown(chosen.missing)
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
@click.command()
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
