"""`coinflowctl subscriptions`: what Coinflow last said of each."""

from typing import Any

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.options import json_option, limit_option
from tasks.cli.output import print_json, print_table
from tasks.store.views import subscriptions as views


@click.group()
def subscriptions() -> None:
    """Read the state of subscriptions; what each cycle bought is a payment."""


@examples("subscriptions list --wallet alice")
@subscriptions.command(name="list")
@click.option("--wallet", help="Only the subscriptions of this customer.")
@limit_option
@json_option
def list_subscriptions(*, as_json: bool, **options: Any) -> None:
    """List subscriptions, the one of which was heard last at the end."""
    with database() as connection:
        listed = views.list_subscriptions(connection, views.SubscriptionFilter(**options))
    if as_json:
        print_json(listed)
    else:
        print_table("Subscriptions", listed)
