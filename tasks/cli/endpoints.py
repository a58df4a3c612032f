"""`coinflowctl endpoints`: whom changes are told, how they fare, and whether they are told anything."""

from dataclasses import asdict
from typing import Any

import click
from sqlalchemy import Connection, RowMapping

from tasks.cli.acting import operator_options
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import database, print_json, print_table, say
from tasks.cli.ringing import ring_for_what_is_due
from tasks.store import endpoint_operations as operations
from tasks.store.actions import Operator
from tasks.store.endpoint_operations import UnknownEndpoint
from tasks.store.states import EndpointState
from tasks.store.views import endpoints as views
from tasks.store.views.endpoints import MOST, EndpointLine

#: Columns that count up to a limit.
_COUNTED = ("pending", "waiting", "dead")


@click.group()
def endpoints() -> None:
    """Read how the merchant's servers and functions fare that are told of changes; pause and resume them."""


@examples("endpoints list")
@endpoints.command(name="list")
@json_option
def list_endpoints(*, as_json: bool) -> None:
    """List the endpoints: their state, what waits for them, and how the last tries went.

    What is pending is yet to be told; what of it is waiting comes after an earlier change of its payment.
    Counts end at 10000, which means so many or more.
    """
    with database() as connection:
        listed = views.list_endpoints(connection)
    if as_json:
        print_json(listed)
    else:
        print_table("Endpoints", [_in_words(each) for each in listed])


def _in_words(line: EndpointLine) -> dict[str, Any]:
    counts = {name: f"{count}+" if (count := getattr(line, name)) >= MOST else count for name in _COUNTED}
    return {**asdict(line), **counts}


@examples('endpoints pause default --reason "its database moves"')
@endpoints.command()
@click.argument("name")
@operator_options
@json_option
def pause(name: str, *, by: Operator, as_json: bool) -> None:
    """Tell the endpoint NAME nothing until somebody resumes it.

    What is being tried ends, nothing new begins, and whatever changes meanwhile waits in its order.
    """
    with database() as connection:
        before = _known(operations.pause, connection, by, name)
        line = _line(connection, name)
    if as_json:
        print_json(line)
    elif before["state"] == EndpointState.PAUSED and before["paused_by"]:
        say(f"{name} is paused already, by {before['paused_by']} since {before['since']:%Y-%m-%d %H:%M:%S}.")
    else:
        say(f"{name} is paused; `coinflowctl endpoints resume {name}` ends that. {line.in_flight} in flight.")


@examples('endpoints resume default --reason "it has moved"')
@endpoints.command()
@click.argument("name")
@operator_options
@json_option
def resume(name: str, *, by: Operator, as_json: bool) -> None:
    """Tell the endpoint NAME again, whether it is paused or held back, as much at once as ever.

    What has failed for a passing reason is told at once. What was refused is told when it is due, or at once
    by `notifications resend --state pending`.
    """
    with database() as connection:
        before = _known(operations.resume, connection, by, name)
        line = _line(connection, name)
    ring_for_what_is_due()
    if as_json:
        print_json(line)
    elif before["state"] == EndpointState.OPEN:
        say(f"{name} is open already.")
    else:
        say(f"{name} was {before['state']} and is open.")
    if before["removed_at"]:
        say(f"Warning: no process is configured to tell {name}.", err=True)


def _known(act: Any, connection: Connection, by: Operator, name: str) -> RowMapping:
    try:
        before: RowMapping = act(connection, by, name)
    except UnknownEndpoint as error:
        raise click.ClickException(str(error)) from None
    return before


def _line(connection: Connection, name: str) -> EndpointLine:
    return next(each for each in views.list_endpoints(connection) if each.name == name)
