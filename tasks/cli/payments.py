"""`coinflowctl payments`: what payments came to, and what an operator says that one bought."""

from typing import Any

import click

from tasks.cli.acting import operator_options
from tasks.cli.options import json_option, limit_option
from tasks.cli.output import database, print_json, print_table
from tasks.payments.decision import DecisionStatus
from tasks.payments.purchase import Match
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.operations import NotMatched, NotUnmatched
from tasks.store.views import payments as views

_STATES = [status.value for status in DecisionStatus]


@click.group()
def payments() -> None:
    """Read what payments came to; match those that name no item."""


@payments.command(name="list")
@click.option("--state", type=click.Choice(_STATES), help="Only payments in this state.")
@limit_option
@json_option
def list_payments(*, as_json: bool, **options: Any) -> None:
    """List payments, the one that changed last at the end."""
    with database() as connection:
        listed = views.list_payments(connection, views.PaymentFilter(**options))
    if as_json:
        print_json(listed)
    else:
        print_table("Payments", listed)


@payments.command()
@click.argument("payment_id")
@json_option
def show(payment_id: str, *, as_json: bool) -> None:
    """Tell the story of PAYMENT_ID: its events and what they decided, one after the other, and the ledger.

    The payment state beside an event is what all events up to it decide.
    """
    with database() as connection:
        story = views.payment_story(connection, payment_id)
    if story is None:
        raise click.ClickException(f"No event of payment {payment_id} has come.")
    if as_json:
        print_json(story)
        return
    click.echo(f"Payment {payment_id}: {story.state or 'not decided yet'}")
    if story.refunded_cents:
        click.echo(f"Refunded: {story.refunded_cents} of {story.cents} cents")
    print_table("Events", story.events)
    print_table("Ledger entries", story.ledger_entries)
    for title, listed in (
        ("Grants", story.grants),
        ("Matches", story.matches),
        ("Actions", story.actions),
        ("Dead letters", story.dead_letters),
    ):
        if listed:
            print_table(title, listed)


@payments.command()
@click.argument("payment_id")
@click.option("--item", required=True, help="What the payment bought, by its name in the price list.")
@click.option("--quantity", type=click.IntRange(min=1), default=1, show_default=True, help="How many of it.")
@click.option("--wallet", help="Who gets it; the customer that the events name unless given.")
@operator_options
@json_option
def match(
    payment_id: str, item: str, quantity: int, wallet: str | None, *, by: Operator, as_json: bool
) -> None:
    """Say what PAYMENT_ID bought whose events name no item; it is granted at once.

    The price list still decides: an amount that is not the item's price is refused and changes nothing.
    """
    with database() as connection:
        try:
            operations.match(connection, by, payment_id, Match(item, quantity, wallet))
        except NotUnmatched as error:
            raise click.ClickException(
                f"{error} `coinflowctl payments list --state unmatched` names them."
            ) from None
        except NotMatched as refusal:
            raise click.ClickException(str(refusal)) from None
        held = views.grants_of(connection, payment_id)
    if as_json:
        print_json({"payment_id": payment_id, "grants": held})
    else:
        print_table(f"Payment {payment_id}", held)
