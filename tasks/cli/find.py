"""`coinflowctl find`: payments by any name that a buyer or a shop knows."""

import click

from tasks.cli.options import json_option, limit_option
from tasks.cli.output import database, print_json, print_table
from tasks.store.views.payments import find_payments


@click.command()
@click.argument("text")
@limit_option
@json_option
def find(text: str, *, limit: int, as_json: bool) -> None:
    """Find the payments of TEXT: a buyer, a gift's recipient, an order, an item or a payment, by its name.

    The one that changed last is at the end; its state says what it came to.
    """
    with database() as connection:
        found = find_payments(connection, text, limit)
    if as_json:
        print_json(found)
    else:
        print_table(f"Payments of {text}", found)
