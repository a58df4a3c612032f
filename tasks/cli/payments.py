"""`coinflowctl payments`: what a payment came to."""

import click
from sqlalchemy import select

from tasks.cli.events import summaries
from tasks.cli.output import database, json_option, print_json, print_table, rows
from tasks.schema import dead_letters, events, ledger_entries
from tasks.schema import payments as payment_table


@click.group()
def payments() -> None:
    """Read what payments came to."""


@payments.command()
@click.argument("payment_id")
@json_option
def show(payment_id: str, *, as_json: bool) -> None:
    """Show the events of PAYMENT_ID, what they decide, and the ledger entries, in order."""
    entries = (
        select(
            ledger_entries.c.id,
            ledger_entries.c.wallet,
            ledger_entries.c.item,
            ledger_entries.c.quantity,
            ledger_entries.c.status,
            ledger_entries.c.event_id,
            ledger_entries.c.created_at,
        )
        .where(ledger_entries.c.payment_id == payment_id)
        .order_by(ledger_entries.c.id)
    )
    letters = (
        select(dead_letters.c.event_id, dead_letters.c.handler, dead_letters.c.error, dead_letters.c.message)
        .join(events, events.c.id == dead_letters.c.event_id)
        .where(events.c.payment_id == payment_id)
        .order_by(dead_letters.c.id)
    )
    decided = select(payment_table.c.decision).where(payment_table.c.id == payment_id)
    with database() as connection:
        came = rows(connection, summaries().where(events.c.payment_id == payment_id).order_by(events.c.id))
        if not came:
            raise click.ClickException(f"No event of payment {payment_id} has come.")
        decision = connection.execute(decided).scalar_one_or_none()
        story = {
            "events": came,
            "ledger_entries": rows(connection, entries),
            "dead_letters": rows(connection, letters),
        }
    if as_json:
        print_json({"payment_id": payment_id, "decision": decision, **story})
        return
    click.echo(f"Payment {payment_id}: {decision or 'not decided yet'}")
    for title, facts in story.items():
        print_table(title.replace("_", " ").capitalize(), facts)
