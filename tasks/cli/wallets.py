"""`coinflowctl wallets`: what a buyer holds."""

import click

from tasks.cli.options import json_option
from tasks.cli.output import database, print_json, print_table
from tasks.store.views.wallets import wallet_of


@click.group()
def wallets() -> None:
    """Read what buyers hold."""


@wallets.command()
@click.argument("wallet")
@json_option
def show(wallet: str, *, as_json: bool) -> None:
    """Show what WALLET was granted, payment by payment."""
    with database() as connection:
        held = wallet_of(connection, wallet)
    if as_json:
        print_json(held)
    else:
        print_table(f"Wallet {wallet}", held.items)
