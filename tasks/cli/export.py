"""`coinflowctl export`: all that is stored of a buyer."""

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json
from tasks.settings import Settings
from tasks.store.views.buyers import buyer_of


@examples("export alice > alice.json")
@click.command()
@click.argument("wallet")
@json_option
def export(wallet: str, **_as_json: bool) -> None:
    """Print all that is stored of the buyer WALLET: payments, grants, and what Coinflow sent.

    It is what a buyer gets who asks for it, and JSON in any case.
    """
    with database() as connection:
        buyer = buyer_of(connection, wallet, Settings.load().default_currency)
    if not (buyer.payments or buyer.events or buyer.subscriptions):
        raise click.ClickException(f"Nothing is stored of {wallet}. `coinflowctl find` knows similar names.")
    print_json(buyer)
