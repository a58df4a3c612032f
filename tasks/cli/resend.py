"""`coinflowctl notifications resend`: tell endpoints again, one by one or a million, batch by batch."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import click
from sqlalchemy import Connection

from tasks.cli.acting import operator_options
from tasks.cli.database import database, transactions
from tasks.cli.examples import examples
from tasks.cli.notification_filter import filter_options, read_filter
from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table, say
from tasks.cli.ringing import ring_for_what_is_due
from tasks.store import notification_operations as operations
from tasks.store.actions import Operator
from tasks.store.notification_operations import Batch
from tasks.store.states import NotificationState
from tasks.store.views.endpoints import told_endpoints
from tasks.store.views.notifications import (
    NotificationFilter,
    NotificationLine,
    list_notifications,
    notification_number,
    notifications_of,
)

#: What is meant unless a state is named: an operator has given up what is discarded.
_STATES = (NotificationState.PENDING, NotificationState.DONE, NotificationState.DEAD)
_FOR_USABLE = (
    "This is for servers that store `usable` of the newest version. One that adds `delta` misses what the "
    "versions before said."
)

#: Resends what comes after something, on a connection.
_Batch = Callable[[Connection, Any], Batch]
#: Resends so many, batch by batch, from the beginning.
_Run = Callable[[int, _Batch, Any], int]


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a command means."""

    count: int
    #: The newest of them, where they are there already.
    lines: Sequence[NotificationLine]
    #: Resends them, and returns how many.
    resend: Callable[[], int]


@examples(
    "notifications resend n1",
    'notifications resend --newest --endpoint default --reason "restored from a backup"',
)
@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="All of them.")
@filter_options
@click.option(
    "--newest",
    is_flag=True,
    help="Each payment's newest change alone, also where an endpoint was never told of the payment.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be resent, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@operator_options
@json_option
def resend(
    ids: Sequence[str],
    *,
    every: bool,
    newest: bool,
    by: Operator,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Tell endpoints again, by ID or by filter; what is pending is told without waiting for its next try.

    The same webhook-id and body are sent, after what is still to be told of the same payment. What was
    discarded is resent by its ID or by --state alone.

    With --newest, an endpoint that is new or was wiped gets each payment's newest change, which tells the
    whole payment: for servers that store `usable`. Times are those of the newest changes then. It goes in
    batches, and may be stopped and run again. On a terminal it asks first.
    """
    _check_usage(ids, every=every, newest=newest, options=options)
    meant = _named(ids, by) if ids else _by_filter(options, by, newest=newest)
    if newest:
        say(_FOR_USABLE, err=True)
    say(f"{meant.count} notifications match.", err=as_json)
    resent = 0
    if meant.count and not dry_run:
        if sys.stdin.isatty() and not yes:
            click.confirm("Resend them?", abort=True, err=True)
        resent = meant.resend()
        ring_for_what_is_due()
    if as_json:
        print_json({"matched": meant.count, "resent": resent})
    elif not dry_run:
        say(f"{resent} resent.")
    elif meant.lines:
        print_table("Would be resent, the newest of them", meant.lines)
    if ids and resent < meant.count and not dry_run:
        raise click.ClickException("The others are for endpoints that no process is configured to tell.")


def _check_usage(ids: Sequence[str], *, every: bool, newest: bool, options: Mapping[str, Any]) -> None:
    if bool(ids) + every + any(options.values()) != 1:
        raise click.UsageError(
            "Say which: ID..., --all, or --wallet, --payment-id, --endpoint, --state, --since and --until."
        )
    if newest and (ids or options["state"]):
        raise click.UsageError("--newest means payments: it takes neither ID nor --state.")


def _named(ids: Sequence[str], by: Operator) -> _Meant:
    numbers = {each: notification_number(each) for each in ids}
    with database() as connection:
        lines = notifications_of(connection, [each for each in numbers.values() if each])
    found = [line.id for line in lines]
    if missing := [each for each, number in numbers.items() if number not in found]:
        raise click.ClickException(
            f"There is no such notification: {', '.join(missing)}. `coinflowctl notifications list` names "
            "them."
        )

    def run() -> int:
        with database() as connection:
            return len(operations.resend(connection, by, found))

    return _Meant(len(found), lines, run)


def _by_filter(options: Mapping[str, Any], by: Operator, *, newest: bool) -> _Meant:
    with database() as connection:
        chosen = _told(connection, read_filter(connection, options))
        return (_newest if newest else _filtered)(
            connection, chosen, partial(_run, by, _said(options, newest=newest))
        )


def _filtered(connection: Connection, chosen: NotificationFilter, run: _Run) -> _Meant:
    chosen = replace(chosen, states=chosen.states or _STATES)
    count, last = operations.how_many(connection, chosen)

    def batch(connection: Connection, after: Any) -> Batch:
        return operations.resend_meant(connection, chosen, after, last)

    return _Meant(count, list_notifications(connection, chosen), lambda: run(count, batch, 0))


def _newest(connection: Connection, chosen: NotificationFilter, run: _Run) -> _Meant:
    count = operations.how_many_newest(connection, chosen)

    def batch(connection: Connection, after: Any) -> Batch:
        return operations.resend_newest(connection, chosen, after)

    return _Meant(count, (), lambda: run(count, batch, ""))


def _told(connection: Connection, chosen: NotificationFilter) -> NotificationFilter:
    """Return the filter for endpoints alone that are told of changes."""
    told = told_endpoints(connection)
    if chosen.endpoint is not None and chosen.endpoint not in told:
        raise click.ClickException(f"No process is configured to tell {chosen.endpoint}.")
    if not told:
        raise click.ClickException(
            "There is nobody to tell: a worker that starts with NOTIFY_URL, or with a function for "
            "@on_grant_change, makes an endpoint known."
        )
    return replace(chosen, endpoints=[chosen.endpoint] if chosen.endpoint else told)


def _said(options: Mapping[str, Any], *, newest: bool) -> dict[str, object]:
    """Return the filter as it may be kept for good: a wallet names a buyer."""
    kept: dict[str, object] = {name: str(value) for name, value in options.items() if value is not None}
    if "wallet" in kept:
        kept["wallet"] = "(not kept)"
    return {"newest": True, **kept} if newest else kept


def _run(by: Operator, said: Mapping[str, object], count: int, batch: _Batch, after: Any) -> int:
    """Resend batch by batch, each in a transaction of its own: no payment is held for long."""
    resent = 0
    with transactions() as engine:
        with engine.begin() as connection:
            operations.announce_resend(connection, by, said, count)
        while True:
            with engine.begin() as connection:
                done = batch(connection, after)
            if done.last is None:
                return resent
            resent, after = resent + done.size, done.last
