"""`coinflowctl payments`: what payments came to, and what an operator says that one bought."""

import click
from sqlalchemy import select

from tasks.cli.events import summaries
from tasks.cli.output import database, json_option, limit_option, print_json, print_table, rows
from tasks.coinflow.event import read_event, read_packet
from tasks.payments.decision import DecisionStatus, decide
from tasks.payments.facts import Statement
from tasks.payments.facts import state as state_of
from tasks.payments.price_list import CatalogError, read_catalog
from tasks.payments.purchase import Match
from tasks.settings import Settings
from tasks.store.fulfilment import fulfil
from tasks.store.matches import matches_of, save_match
from tasks.store.schema import dead_letters, events, grants, ledger_entries, matches
from tasks.store.schema import payments as payment_table

_STATES = [status.value for status in DecisionStatus]


@click.group()
def payments() -> None:
    """Read what payments came to; match those that name no item."""


@payments.command(name="list")
@click.option("--state", type=click.Choice(_STATES), help="Only payments in this state.")
@limit_option
@json_option
def list_payments(state: str | None, limit: int, *, as_json: bool) -> None:
    """List payments, the one that changed last at the end."""
    query = (
        select(
            payment_table.c.id.label("payment_id"),
            payment_table.c.decision.label("state"),
            payment_table.c.wallet,
            payment_table.c.cents,
            payment_table.c.currency,
            payment_table.c.refunded_cents,
            payment_table.c.updated_at,
        )
        .order_by(payment_table.c.updated_at.desc(), payment_table.c.id)
        .limit(limit)
    )
    if state is not None:
        query = query.where(payment_table.c.decision == state)
    with database() as connection:
        listed = rows(connection, query)[::-1]
    if as_json:
        print_json(listed)
    else:
        print_table("Payments", listed)


@payments.command()
@click.argument("payment_id")
@json_option
def show(payment_id: str, *, as_json: bool) -> None:
    """Tell the story of PAYMENT_ID: its events and what they decided, one after the other, and the ledger.

    The decision beside an event is what all events up to it decide.
    """
    entries = (
        select(
            ledger_entries.c.id,
            ledger_entries.c.wallet,
            ledger_entries.c.item,
            ledger_entries.c.quantity,
            ledger_entries.c.status,
            ledger_entries.c.event_id,
            events.c.event_type.label("cause"),
            ledger_entries.c.created_at,
        )
        .join(events, events.c.id == ledger_entries.c.event_id)
        .where(ledger_entries.c.payment_id == payment_id)
        .order_by(ledger_entries.c.id)
    )
    letters = (
        select(dead_letters.c.event_id, dead_letters.c.handler, dead_letters.c.error, dead_letters.c.message)
        .join(events, events.c.id == dead_letters.c.event_id)
        .where(events.c.payment_id == payment_id)
        .order_by(dead_letters.c.id)
    )
    came = summaries().add_columns(events.c.body, events.c.set_aside).where(events.c.payment_id == payment_id)
    paid = select(
        payment_table.c.decision,
        payment_table.c.wallet,
        payment_table.c.cents,
        payment_table.c.refunded_cents,
    ).where(payment_table.c.id == payment_id)
    holding = select(grants.c.wallet, grants.c.item, grants.c.quantity, grants.c.status).where(
        grants.c.payment_id == payment_id
    )
    match = select(matches.c.item, matches.c.quantity, matches.c.wallet, matches.c.matched_at).where(
        matches.c.payment_id == payment_id
    )
    with database() as connection:
        story = rows(connection, came.order_by(events.c.id))
        if not story:
            raise click.ClickException(f"No event of payment {payment_id} has come.")
        _decide_each(story, matches_of(connection, [payment_id]).get(payment_id))
        (summary,) = rows(connection, paid) or [{"decision": None}]
        facts = {
            "events": story,
            "ledger_entries": rows(connection, entries),
            "grants": rows(connection, holding),
            "matches": rows(connection, match),
            "dead_letters": rows(connection, letters),
        }
    if as_json:
        print_json({"payment_id": payment_id, **summary, **facts})
        return
    click.echo(f"Payment {payment_id}: {summary['decision'] or 'not decided yet'}")
    if summary.get("refunded_cents"):
        click.echo(f"Refunded: {summary['refunded_cents']} of {summary['cents']} cents")
    for title, listed in facts.items():
        if listed or title in {"events", "ledger_entries"}:
            print_table(title.replace("_", " ").capitalize(), listed)


def _decide_each(story: list[dict[str, object]], match: Match | None) -> None:
    """Give each event the decision that it and those before it come to; none to what does not count."""
    so_far: list[Statement] = []
    for row in story:
        body, set_aside = str(row.pop("body")), row.pop("set_aside")
        event = None if set_aside else read_event(read_packet(body))
        if event:
            so_far.append(state_of(event))
        row["decision"] = decide(so_far, match).status if event else None


@payments.command()
@click.argument("payment_id")
@click.option("--item", required=True, help="What the payment bought, by its name in the price list.")
@click.option("--quantity", type=click.IntRange(min=1), default=1, show_default=True, help="How many of it.")
@click.option("--wallet", help="Who gets it; the customer that the events name unless given.")
@json_option
def match(payment_id: str, item: str, quantity: int, wallet: str | None, *, as_json: bool) -> None:
    """Say what PAYMENT_ID bought whose events name no item; it is granted at once.

    The price list still decides: an amount that is not the item's price is refused and changes nothing.
    """
    try:
        prices = read_catalog(Settings.load().catalog_path)
    except CatalogError as error:
        raise click.ClickException(str(error)) from None
    state = select(payment_table.c.decision).where(payment_table.c.id == payment_id).with_for_update()
    holding = select(grants.c.wallet, grants.c.item, grants.c.quantity, grants.c.status).where(
        grants.c.payment_id == payment_id
    )
    with database() as connection:
        decided = connection.execute(state).scalar_one_or_none()
        if decided != DecisionStatus.UNMATCHED:
            raise click.ClickException(
                f"Payment {payment_id} is {decided or 'unknown'}; only an unmatched one can be matched. "
                "`coinflowctl payments list --state unmatched` names them."
            )
        save_match(connection, payment_id, Match(item, quantity, wallet))
        if refusal := fulfil(connection, prices, [payment_id]).get(payment_id):
            raise click.ClickException(f"Not matched. {refusal}")
        held = rows(connection, holding)
    if as_json:
        print_json({"payment_id": payment_id, "grants": held})
    else:
        print_table(f"Payment {payment_id}", held)
