"""`coinflowctl erase`: forgets a buyer."""

import click

from tasks.cli.acting import reason_options
from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json, say
from tasks.coinflow.spellings import without_merchant
from tasks.store.actions import Operator
from tasks.store.erasure import NotErasable
from tasks.store.erasure import erase as erase_buyer


@examples('erase alice --reason "asked for, ticket 7"')
@click.command()
@click.argument("wallet")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--untold", is_flag=True, help="Also if your server does not know every change yet: it is told the alias."
)
@reason_options
@json_option
def erase(wallet: str, *, yes: bool, untold: bool, by: Operator, as_json: bool) -> None:
    """Forget the buyer WALLET: what Coinflow sent goes, and the ledger names an alias from now on.

    What was paid and granted stays, so a late chargeback is decided as before. It cannot be undone; export
    first. Your own server, backups and logs are yours to see to, and an event that comes later names the
    buyer again.
    """
    if not yes:
        click.confirm(f"Forget {wallet} for good?", abort=True, err=True)
    with database() as connection:
        try:
            counts = erase_buyer(connection, by, without_merchant(wallet), untold=untold)
        except NotErasable as error:
            raise click.ClickException(str(error)) from None
    if as_json:
        print_json(counts)
    else:
        say(f"Forgotten: {counts['payments']} payments and {counts['events']} events name an alias now.")
