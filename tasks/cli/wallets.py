"""`coinflowctl wallets`: what a buyer holds."""

import click
from sqlalchemy import select

from tasks.cli.output import database, json_option, print_json, print_table, rows
from tasks.store.schema import grants


@click.group()
def wallets() -> None:
    """Read what buyers hold."""


@wallets.command()
@click.argument("wallet")
@json_option
def show(wallet: str, *, as_json: bool) -> None:
    """Show what WALLET was granted, payment by payment."""
    query = (
        select(grants.c.item, grants.c.quantity, grants.c.status, grants.c.payment_id)
        .where(grants.c.wallet == wallet)
        .order_by(grants.c.granted_at, grants.c.payment_id, grants.c.item)
    )
    with database() as connection:
        items = rows(connection, query)
    if as_json:
        print_json({"wallet": wallet, "items": items})
    else:
        print_table(f"Wallet {wallet}", items)
