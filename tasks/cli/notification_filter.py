"""Which notifications a command means."""

from collections.abc import Callable, Mapping
from typing import Any

import click
from sqlalchemy import Connection

from tasks.cli.options import WHEN
from tasks.store.endpoint_operations import UnknownEndpoint, check_endpoint
from tasks.store.states import NotificationState
from tasks.store.views.notifications import NotificationFilter

_STATES = [state.value for state in NotificationState]


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that `read_filter` reads."""
    for option in (
        click.option("--until", type=WHEN, help="Only those of changes noted before this time (UTC)."),
        click.option("--since", type=WHEN, help="Only those of changes noted at this time (UTC) or later."),
        click.option("--state", type=click.Choice(_STATES), help="Only those in this state."),
        click.option("--endpoint", help="Only those for this endpoint."),
        click.option("--payment-id", help="Only those of this payment."),
        click.option("--wallet", help="Only those of payments that gave this wallet something."),
    ):
        command = option(command)
    return command


def read_filter(connection: Connection, options: Mapping[str, Any]) -> NotificationFilter:
    """Return what the options mean. Raises ClickException if there is no such endpoint."""
    said = dict(options)
    state = said.pop("state")
    if said["endpoint"] is not None:
        try:
            check_endpoint(connection, said["endpoint"])
        except UnknownEndpoint as error:
            raise click.ClickException(str(error)) from None
    return NotificationFilter(**said, states=[NotificationState(state)] if state else [])
