"""`coinflowctl dead-letters`: what failed for good, why, and again.

Two kinds under one roof: letters in the database, numbered, and messages that no task could take, which lie
in the broker's queue `dead-letters` under ids that begin with `b`.
"""

import sys
from collections.abc import Sequence
from typing import Any

import click

from tasks.celery import app
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
from tasks.cli.letter_filter import admits, filter_options
from tasks.cli.options import json_option, limit_option
from tasks.cli.output import database, print_json, print_table, say, say_lines
from tasks.pipeline.dispatch import plan
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.runs import DEADLINE
from tasks.store.states import RunState
from tasks.store.views import letters as views
from tasks.store.views.letters import Letter, LetterFilter, LetterStory, letter_number
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind

#: Letters per transaction and message when many are replayed.
_GROUP = 500


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
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="All of them.")
@filter_options
@click.option("--dry-run", is_flag=True, help="Say what would be replayed, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@operator_options
@json_option
def replay(
    ids: tuple[str, ...],
    *,
    by: Operator,
    every: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Send dead letters to their handlers again, by ID (a discarded letter's, too) or by filter.

    What is fulfilled already changes nothing; what fails again is one letter with a longer history.
    """
    if bool(ids) + every + any(options.values()) != 1:
        raise click.UsageError("Say which: ID..., --all, or --type, --error, --since and --until.")
    states = [RunState.DEAD, RunState.DISCARDED] if ids else [RunState.DEAD]
    chosen = LetterFilter(ids=ids, states=states, limit=None, **options)
    with database() as connection:
        found = views.list_letters(connection, chosen)
    with broker_letters() as (held, _):
        messages = [each.id for each in held if admits(chosen, each)]
    names = sorted(set(messages))
    count = len(found) + len(messages)
    if missing := set(ids) - {str(letter.id) for letter in found} - set(names):
        raise _unknown(sorted(missing))
    say(f"{count} dead letters match.", err=as_json)
    replayed = 0
    if count and not dry_run:
        if sys.stdin.isatty() and not yes:
            click.confirm("Replay them?", abort=True)
        replayed = _replay_letters(found, by) + replay_messages(names, by)
    if as_json:
        ids_meant = [*(letter.id for letter in found), *names]
        print_json({"matched": count, "replayed": replayed, "ids": ids_meant})
    elif not dry_run:
        say(f"{replayed} replayed.")
    elif found:
        print_table("Would be replayed", found)


@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@operator_options
@json_option
def discard(letter_id: str, *, by: Operator, as_json: bool) -> None:
    """Give the letter ID up: its handler gets the event no more. It stays to be seen, and can be replayed.

    What a discarded event paid grants nothing; another event of the payment that pays may. A message of the
    broker's is gone for good.
    """
    found = False
    if letter_id.startswith("b"):
        found = discard_messages(letter_id, by)
    elif number := letter_number(letter_id):
        with database() as connection:
            found = bool(operations.discard(connection, by, [number]))
    if not found:
        raise _unknown([letter_id])
    if as_json:
        print_json({"id": letter_id, "state": RunState.DISCARDED})
    else:
        say(f"Dead letter {letter_id} is discarded.")


def _replay_letters(found: Sequence[Letter], by: Operator) -> int:
    """Replay letters group by group: first the runs are pending, for certain, then they are sent."""
    replayed = 0
    for start in range(0, len(found), _GROUP):
        group = found[start : start + _GROUP]
        with database() as connection:
            event_ids = operations.replay(connection, by, [each.id for each in group])
            work = plan(connection, event_ids)
        try:
            work.send(app)
        except Exception as error:
            if kind(error) is not Kind.TRANSIENT:
                raise
            raise click.ClickException(
                f"The broker cannot be reached ({error}). {replayed} letters were sent; the next "
                f"{len(event_ids)} are pending, and recovery sends them within "
                f"{DEADLINE.seconds // 60 + 1} minutes, or when the broker is back. "
                f"{len(found) - start - len(group)} are left: replay again then."
            ) from None
        replayed += len(event_ids)
    return replayed


def _unknown(ids: Sequence[str]) -> click.ClickException:
    return click.ClickException(
        f"There is no such dead letter: {', '.join(ids)}. `coinflowctl dead-letters list` names them, with "
        "--state discarded those that were given up; one that is pending is being replayed already."
    )
