"""`coinflowctl find`: payments by any name that a buyer, a shop or Coinflow knows."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.likely import or_question
from tasks.cli.options import WHEN, json_option
from tasks.cli.output import print_json, say
from tasks.cli.whereabouts import last_event, say_whereabouts
from tasks.settings import Settings
from tasks.store.views.conclusion import conclude
from tasks.store.views.finding import Sought, find_inside, find_payments, near_names
from tasks.store.views.payment_story import PaymentStory, payment_story
from tasks.store.views.payments import PaymentLine

#: Without --since, bodies are looked through that came in so many days.
_DAYS = 30


@examples("find alice", "find alice@example.com --since 2026-11-01")
@click.command()
@click.argument("text")
@click.option("--since", type=WHEN, help="Only payments of which an event came at this time (UTC) or later.")
@click.option("--until", type=WHEN, help="Only payments of which an event came before this time (UTC).")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many, the newest."
)
@json_option
def find(text: str, *, since: datetime | None, until: datetime | None, limit: int, as_json: bool) -> None:
    """Find the payments of TEXT and say of each what it came to, the newest first.

    TEXT is a buyer, a gift's recipient, an order, an item that was granted, a payment, or anything that
    Coinflow sent, such as an e-mail or a refund's id. The latter is looked for where nothing has that name,
    in what came in the last 30 days or since --since.
    """
    settings = Settings.load()
    sought = Sought(text=text, since=since, until=until, limit=limit)
    with database() as connection:
        found = find_payments(connection, sought) or find_inside(connection, _bounded(sought))
        stories = [
            story for each in found if (story := payment_story(connection, each, settings.default_currency))
        ]
        near = [] if found else near_names(connection, text)
        last = "" if found else last_event(connection)
    if as_json:
        print_json([_document(each, settings) for each in stories])
        return
    if not stories:
        when = "in that time" if since or until else f"and none of the last {_DAYS} days holds it"
        say(f"No event names {text}, {when}.{or_question(near)}")
        say_whereabouts(last)
    for story in stories:
        say(_heading(story))
        say(f"  {conclude(story, settings.merchant_ids)}")


def _bounded(sought: Sought) -> Sought:
    return replace(sought, since=sought.since or datetime.now(UTC) - timedelta(days=_DAYS))


def _document(story: PaymentStory, settings: Settings) -> dict[str, Any]:
    line = {field.name: getattr(story, field.name) for field in fields(PaymentLine)}
    return line | {"buyer": story.buyer, "conclusion": conclude(story, settings.merchant_ids)}


def _heading(story: PaymentStory) -> str:
    came = story.events[-1].received_at
    money = "" if story.cents is None else f"{story.cents} cents {story.currency}"
    order = f"order {story.order_id}" if story.order_id else ""
    known = (story.payment_id, f"{came:%Y-%m-%d %H:%M:%S} UTC", story.buyer or "", money, order)
    return "  ".join(filter(None, known))
