"""`coinflowctl wallets`: what a buyer holds."""

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.likely import or_question
from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table, say
from tasks.store.views.finding import near_names
from tasks.store.views.wallets import wallet_of


@click.group()
def wallets() -> None:
    """Read what buyers hold."""


@examples("wallets show alice")
@wallets.command()
@click.argument("wallet")
@json_option
def show(wallet: str, *, as_json: bool) -> None:
    """Show what WALLET was granted, payment by payment."""
    with database() as connection:
        held = wallet_of(connection, wallet)
        near = [] if held.items else near_names(connection, wallet)
    if as_json:
        print_json(held)
        return
    if held.items:
        print_table(f"Wallet {wallet}", held.items)
    else:
        say(f"Wallet {wallet}: none.{or_question(near)}")
