"""`coinflowctl payments match` and `resolve`: what a person says of a payment."""

from collections.abc import Mapping
from typing import Any

import click

from tasks.cli.acting import operator_options, reason_options
from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table, say
from tasks.cli.ringing import ring_for_what_is_due
from tasks.payments.named import MOST
from tasks.payments.resolution import Resolution
from tasks.payments.states import ResolutionKind
from tasks.settings import Settings
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.operations import NotMatched, NotResolvable
from tasks.store.views.payment_story import payment_story
from tasks.store.views.payments import grants_of


@examples('payments match pay-1 --item sword --reason "named by phone"')
@click.command()
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
        held = grants_of(connection, payment_id)
    ring_for_what_is_due()
    if as_json:
        print_json({"payment_id": payment_id, "grants": held})
    else:
        print_table(f"Payment {payment_id}", held)


@examples(
    'payments resolve pay-1 --item sword --quantity 2 --reason "misspelt at checkout"',
    'payments resolve pay-1 --accept-price --reason "450 was agreed"',
)
@click.command()
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
