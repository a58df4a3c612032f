"""`coinflowctl actions`: what operators did."""

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.options import json_option, limit_option
from tasks.cli.output import print_json, print_table
from tasks.store.views.actions import list_actions as newest


@click.group()
def actions() -> None:
    """Read who replayed, discarded and resolved what, and why."""


@examples("actions list --limit 20")
@actions.command(name="list")
@limit_option
@json_option
def list_actions(limit: int, *, as_json: bool) -> None:
    """List what operators did, the newest last."""
    with database() as connection:
        listed = newest(connection, limit)
    if as_json:
        print_json(listed)
    else:
        print_table("Actions", listed)
