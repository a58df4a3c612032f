"""`coinflowctl subscriptions`: what Coinflow last said of each."""

import click
from sqlalchemy import select

from tasks.cli.output import database, json_option, limit_option, print_json, print_table, rows
from tasks.store.schema import events
from tasks.store.schema import subscriptions as subscription_table


@click.group()
def subscriptions() -> None:
    """Read the state of subscriptions; what each cycle bought is a payment."""


@subscriptions.command(name="list")
@click.option("--wallet", help="Only the subscriptions of this customer.")
@limit_option
@json_option
def list_subscriptions(wallet: str | None, limit: int, *, as_json: bool) -> None:
    """List subscriptions, the one of which was heard last at the end."""
    query = (
        select(
            subscription_table.c.id.label("subscription_id"),
            subscription_table.c.state,
            subscription_table.c.plan_code,
            subscription_table.c.wallet,
            subscription_table.c.event_id,
            events.c.created,
        )
        .join(events, events.c.id == subscription_table.c.event_id)
        .order_by(subscription_table.c.event_id.desc())
        .limit(limit)
    )
    if wallet is not None:
        query = query.where(subscription_table.c.wallet == wallet)
    with database() as connection:
        listed = rows(connection, query)[::-1]
    if as_json:
        print_json(listed)
    else:
        print_table("Subscriptions", listed)
