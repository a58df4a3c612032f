"""`coinflowctl payments show`: the story of one payment."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table, say
from tasks.cli.whereabouts import last_event, say_whereabouts
from tasks.settings import Settings
from tasks.store.views.conclusion import conclude
from tasks.store.views.payment_story import payment_story


@examples("payments show pay-1")
@click.command()
@click.argument("payment_id")
@json_option
def show(payment_id: str, *, as_json: bool) -> None:
    """Tell the story of PAYMENT_ID: its events and what they decided, one after the other, and the ledger.

    The payment state beside an event is what all events up to it decide.
    """
    settings = Settings.load()
    with database() as connection:
        story = payment_story(connection, payment_id, settings.default_currency)
        last = None if story or as_json else last_event(connection)
    if story is None:
        if last:
            say_whereabouts(last)
        raise click.ClickException(f"No event of payment {payment_id} has come.")
    conclusion = conclude(story, settings.merchant_ids)
    if as_json:
        told = {field.name: getattr(story, field.name) for field in fields(story)}
        print_json({"conclusion": conclusion, **told})
        return
    say(str(conclusion))
    if story.refunded_cents:
        say(f"Refunded: {story.refunded_cents} of {story.cents} cents")
    print_table("Events", story.events)
    print_table("Ledger entries", story.ledger_entries)
    for title, listed in (
        ("For a person", story.notes),
        ("Grants", story.grants),
        ("Told", story.notifications),
        ("The merchant's own order", story.order.lines if story.order else ()),
        ("Verdicts", [_in_words(each) for each in story.verdicts]),
        ("Resolutions", story.resolutions),
        ("Actions", story.actions),
        ("Dead letters", story.dead_letters),
    ):
        if listed:
            print_table(title, listed)


def _in_words(verdict: Mapping[str, Any]) -> dict[str, object]:
    lines = ", ".join(f"{line['quantity']} x {line['item']}" for line in verdict["lines"])
    told = ("currency", "over", "error", "reason", "price_list_id")
    return {
        "what": lines or verdict["asked"],
        **{name: verdict[name] or None for name in told},
        "content_hash": (verdict["content_hash"] or "")[:8],
    }
