"""`coinflowctl endpoints pause` and `resume`: whether an endpoint is told anything."""

from typing import Any

import click
from sqlalchemy import Connection, RowMapping

from tasks.cli.acting import operator_options
from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json, say
from tasks.cli.ringing import ring_for_what_is_due
from tasks.store import endpoint_operations as operations
from tasks.store.actions import Operator
from tasks.store.endpoint_operations import UnknownEndpoint
from tasks.store.states import EndpointState
from tasks.store.views.endpoints import EndpointLine, list_endpoints


@examples('endpoints pause default --reason "its database moves"')
@click.command()
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
@click.command()
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
    return next(each for each in list_endpoints(connection) if each.name == name)
