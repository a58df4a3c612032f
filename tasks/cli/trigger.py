"""`coinflowctl trigger`: signs and sends a sample of any event type."""

import json
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import click

from receiver.settings import Settings as ReceiverSettings
from tasks.cli.examples import examples
from tasks.cli.likely import likely
from tasks.cli.options import json_option
from tasks.cli.output import print_json, say, say_lines
from tasks.cli.sender import Answer, Sender
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.samples import apply, literal, sample, with_identity
from tasks.payments.price_list import PriceListError, read_price_list
from tasks.settings import Settings
from tasks.worker.price_list_file import read_file

if TYPE_CHECKING:
    from tasks.store.views.conclusion import Conclusion


@examples(
    "trigger Settled --item sword --wallet alice --payment-id pay-1 --wait",
    "trigger Settled --item sword --times 1000 --concurrency 20",
    "trigger Refund --payment-id pay-1 --set data.status=Pending",
)
@click.command()
@click.argument("event_type")
@click.option("--item", help="The item that webhookInfo names.")
@click.option("--quantity", help="How many of it.")
@click.option("--wallet", help="The buyer.")
@click.option("--payment-id", help="The payment; a new one unless given.")
@click.option("--cents", type=int, help="The subtotal; the item's price times quantity unless given.")
@click.option("--api-version", type=click.Choice(["2", "3"]), default="3", show_default=True)
@click.option(
    "--set", "changes", multiple=True, metavar="PATH=VALUE", help="Change any field, as data.fees.cents=9."
)
@click.option(
    "--times", type=click.IntRange(min=1), default=1, show_default=True, help="How many copies to send."
)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=1, show_default=True, help="So many at a time."
)
@click.option("--url", help="The receiver's webhook URL; the local one unless given.")
@click.option("--wait", "waits", is_flag=True, help="Wait until it is handled, and say what it came to.")
@json_option
def trigger(
    event_type: str,
    *,
    changes: tuple[str, ...],
    times: int,
    concurrency: int,
    url: str | None,
    waits: bool,
    as_json: bool,
    **parts: Any,
) -> None:
    """Send a signed sample of EVENT_TYPE; exit with 1 unless every answer is 200.

    Copies are of one and the same event, as when Coinflow delivers it again. With --wait it exits with 1,
    too, if no worker has handled the event within half a minute; it reads the database of DATABASE_URL.
    """
    settings = ReceiverSettings.load()
    parts["payment_id"] = payment_id = parts["payment_id"] or str(uuid.uuid4())
    packet = _packet(event_type, **parts)
    for change in changes:
        path, separator, value = change.partition("=")
        if not separator:
            raise click.BadParameter(f"expected PATH=VALUE, got {change!r}", param_hint="--set")
        apply(packet, path, value)
    url = url or f"http://127.0.0.1:{settings.port}{settings.webhook_path}"
    key = settings.validation_keys[0].get_secret_value()
    body = json.dumps(packet)
    if event_type not in EVENT_TYPES:
        say(f"Coinflow documents no {event_type}.{likely(event_type, EVENT_TYPES)}", err=True)
    answers = _send(Sender(url, key.encode(), body.encode()), times, concurrency, event_type)
    is_taken = {each.status for each in answers} == {"200"}
    came_to = _outcome(body) if waits and is_taken else None
    if as_json:
        counts = Counter[str]()
        for answer, count in answers.items():
            counts[answer.status] += count
        told = {"event_type": event_type, "payment_id": payment_id, "url": url}
        waited = {"outcome": came_to} if waits else {}
        print_json({**told, "answers": dict(counts), **waited})
    else:
        for answer, count in answers.items():
            copies = f" ({count} times)" if times > 1 else ""
            say(f"{answer.status} {event_type} {payment_id}{copies}{answer.reason and f': {answer.reason}'}")
        if came_to:
            say(str(came_to))
    if waits and is_taken and came_to is None:
        raise click.ClickException("No worker has handled it so far; `coinflowctl doctor` says why.")
    if not is_taken:
        raise SystemExit(1)


def _send(sender: Sender, times: int, concurrency: int, event_type: str) -> Counter[Answer]:
    with sender:
        sent = sender.send(times, concurrency)
        # On standard error, and for eyes alone, so that the answers can be piped.
        hidden = times == 1 or not sys.stderr.isatty()
        with click.progressbar(sent, times, event_type, hidden=hidden, file=sys.stderr) as bar:
            return Counter(bar)


def _outcome(body: str) -> "Conclusion | None":
    # The database and the rules come with it, which whoever only sends need not wait for.
    from tasks.cli.awaiting import outcome  # noqa: PLC0415  # as said above

    return outcome(body)


def _packet(
    event_type: str,
    *,
    item: str | None,
    quantity: str | None,
    wallet: str | None,
    payment_id: str,
    cents: int | None,
    api_version: Literal["2", "3"],
) -> dict[str, Any]:
    """Return a sample that happens now, with the parts that were named and the price that the list asks."""
    packet = sample(event_type, 3 if api_version == "3" else 2)
    packet["created"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    count = literal(quantity) if quantity is not None else None
    if cents is None:
        cents = _price(item or packet["data"].get("webhookInfo", {}).get("item"), count)
    with_identity(packet, payment_id=payment_id, wallet=wallet, item=item, quantity=count, cents=cents)
    return packet


def _price(item: str | None, quantity: object) -> int | None:
    """Return what the price list's file asks, in cents, or None where it does not say.

    The list in force may be another one; but a sender of events, such as Coinflow, sees no database either.
    """
    path = Settings.load().catalog_path
    try:
        listed = read_price_list(read_file(path)).items.get(item or "")
    except PriceListError as error:
        say_lines(
            f"Warning: {error.told_of(path)}\nSending the sample's own price; --cents names another.",
            err=True,
        )
        return None
    if listed is None or listed.is_any:
        return None
    # The sample names no currency.
    price = listed.price_in(Settings.load().default_currency) or listed.prices[0]
    return price.of(quantity if type(quantity) is int and quantity > 0 else 1)
