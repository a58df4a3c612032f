"""`coinflowctl payments`: what payments came to, which ask for a person, and what that person says."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import click

from tasks.cli.acting import operator_options, reason_options
from tasks.cli.examples import examples
from tasks.cli.options import WHEN, json_option, limit_option
from tasks.cli.output import database, print_json, print_table, say
from tasks.cli.ringing import ring_for_what_is_due
from tasks.cli.whereabouts import last_event, say_whereabouts
from tasks.payments.decision import DecisionStatus
from tasks.payments.named import MOST
from tasks.payments.resolution import Resolution, ResolutionKind
from tasks.settings import Settings
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.column_types import LARGEST_ID
from tasks.store.operations import NotMatched, NotResolvable
from tasks.store.views import payments as views
from tasks.store.views.attention import list_attention
from tasks.store.views.conclusion import conclude
from tasks.store.views.payment_story import payment_story

_STATES = [status.value for status in DecisionStatus]


@click.group()
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


@examples("payments show pay-1")
@payments.command()
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


@examples('payments match pay-1 --item sword --reason "named by phone"')
@payments.command()
@click.argument("payment_id")
@click.option("--item", required=True, help="What the payment bought, by its name in the price list.")
@click.option(
    "--quantity", type=click.IntRange(1, MOST), default=1, show_default=True, help="How many of it."
)
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
            said = Resolution(ResolutionKind.ITEM, item, quantity, wallet)
            operations.match(connection, by, payment_id, said, Settings.load().default_currency)
        except NotResolvable as error:
            raise click.ClickException(
                f"{error} `coinflowctl payments list --state unmatched` names them; "
                "`coinflowctl payments resolve` takes any paid one."
            ) from None
        except NotMatched as refusal:
            raise click.ClickException(str(refusal)) from None
        held = views.grants_of(connection, payment_id)
    ring_for_what_is_due()
    if as_json:
        print_json({"payment_id": payment_id, "grants": held})
    else:
        print_table(f"Payment {payment_id}", held)


@examples(
    'payments resolve pay-1 --item sword --quantity 2 --reason "misspelt at checkout"',
    'payments resolve pay-1 --accept-price --reason "450 was agreed"',
)
@payments.command()
@click.argument("payment_id")
@click.option("--item", help="It bought this, by its name in the price list.")
@click.option("--quantity", type=click.IntRange(1, MOST), help="How many of --item; 1 unless given.")
@click.option("--wallet", help="It is for this wallet.")
@click.option("--accept-price", is_flag=True, help="What was paid is enough.")
@click.option(
    "--revoke", is_flag=True, help="The buyer shall not have it, until a later word says otherwise."
)
@click.option("--restore", is_flag=True, help="What has gone back or is disputed so far shall not count.")
@click.option("--done", is_flag=True, help="Nothing is left to do, until another event comes.")
@reason_options
@json_option
def resolve(payment_id: str, *, by: Operator, as_json: bool, **said: Any) -> None:
    """Say one thing of PAYMENT_ID, which goes before what its events say, and bring the wallet in line.

    --item, --wallet and --accept-price correct what is known; refunds and disputes go on counting. --restore
    answers what has come so far; a later event is decided anew. What cannot be granted yet is kept all the
    same, and the answer says why. Of a payment that nobody has paid, only --done can be said.
    """
    with database() as connection:
        currency = Settings.load().default_currency
        try:
            refusal = operations.resolve(connection, by, payment_id, _resolution(said), currency)
        except NotResolvable as error:
            raise click.ClickException(f"{error} `coinflowctl payments list` names them.") from None
        story = payment_story(connection, payment_id, currency)
    ring_for_what_is_due()
    state, held = (story.state, story.grants) if story else (None, ())
    if as_json:
        print_json({"payment_id": payment_id, "state": state, "refusal": refusal, "grants": held})
        return
    say(f"Payment {payment_id}: {state}")
    if refusal:
        say(f"It cannot be granted yet. {refusal}")
    print_table("Grants", held)


def _resolution(said: Mapping[str, Any]) -> Resolution:
    words = {name: value for name, value in said.items() if value and name != "quantity"}
    if len(words) != 1 or (said["quantity"] and not said["item"]):
        raise click.UsageError(
            "Say one of --item (with --quantity), --wallet, --accept-price, --revoke, --restore, --done."
        )
    return Resolution(ResolutionKind(next(iter(words))), said["item"], said["quantity"] or 1, said["wallet"])
