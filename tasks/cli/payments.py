"""`coinflowctl payments`: what payments came to, which ask for a person, and what that person says."""

from collections.abc import Sequence
from typing import Any

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.lazy_group import LazyGroup
from tasks.cli.options import WHEN, json_option, limit_option
from tasks.cli.output import print_json, print_table
from tasks.payments.states import DecisionStatus
from tasks.store.column_types import LARGEST_ID
from tasks.store.views import payments as views
from tasks.store.views.attention import list_attention

_STATES = [status.value for status in DecisionStatus]


@click.group(
    cls=LazyGroup, elsewhere={"show": "payment_story", "match": "resolutions", "resolve": "resolutions"}
)
def payments() -> None:
    """Read what payments came to; say what became of those that ask for a person."""


@examples("payments list --attention", "payments list --wallet alice --cents 500")
@payments.command(name="list")
@click.option("--state", type=click.Choice(_STATES), help="Only payments in this state.")
@click.option(
    "--attention",
    is_flag=True,
    help="Only what asks for a person, each with its reason; what must be answered soonest comes first.",
)
@click.option("--wallet", help="Only payments that this wallet paid or gets, in any spelling of it.")
@click.option("--item", help="Only payments that granted this item, or are asked for it.")
@click.option("--cents", type=click.IntRange(0, LARGEST_ID), help="Only payments of this price.")
@click.option("--since", type=WHEN, help="Only payments that changed at this time (UTC) or later.")
@click.option("--until", type=WHEN, help="Only payments that changed before this time (UTC).")
@limit_option
@json_option
def list_payments(*, attention: bool, state: str | None, as_json: bool, **options: Any) -> None:
    """List payments, the one that changed last at the end."""
    if attention and state:
        raise click.UsageError("Say either --attention or --state.")
    chosen = views.PaymentFilter(state=DecisionStatus(state) if state else None, **options)
    with database() as connection:
        listed: Sequence[object] = (
            list_attention(connection, chosen) if attention else views.list_payments(connection, chosen)
        )
    if as_json:
        print_json(listed)
    else:
        print_table("Payments that ask for a person" if attention else "Payments", listed)
