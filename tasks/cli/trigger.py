"""`coinflowctl trigger`: signs and sends a sample of any event type."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from typing import Any, Literal, Self

import click
import httpx2
from rich.console import Console
from rich.progress import Progress

from receiver.authentication import sign
from receiver.settings import Settings as ReceiverSettings
from tasks.cli.options import json_option
from tasks.cli.output import print_json, say, say_lines
from tasks.coinflow.samples import apply, literal, sample, with_identity
from tasks.payments.price_list import PriceListError, read_price_list
from tasks.settings import Settings
from tasks.worker.price_list_file import read_file

#: Seconds: Coinflow waits no longer for an answer.
_TIMEOUT = 5


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
@json_option
def trigger(
    event_type: str,
    *,
    changes: tuple[str, ...],
    times: int,
    concurrency: int,
    url: str | None,
    as_json: bool,
    **parts: Any,
) -> None:
    """Send a signed sample of EVENT_TYPE; exit with 1 unless every answer is 200.

    Copies are of one and the same event, as when Coinflow delivers it again.
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
    statuses: list[str] = []
    # The bar goes to standard error and only to a terminal, so that the answers can be piped.
    console = Console(stderr=True)
    with (
        _Sender(url, key.encode(), json.dumps(packet).encode()) as sender,
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        for status in progress.track(sender.send(times, concurrency), total=times, description=event_type):
            statuses.append(status)
            if not as_json:
                say(f"{status} {event_type} {payment_id}")
    if as_json:
        told = {"event_type": event_type, "payment_id": payment_id, "url": url}
        print_json({**told, "answers": dict(Counter(statuses))})
    if set(statuses) != {"200"}:
        raise SystemExit(1)


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


class _Sender:
    """Posts copies of one event, each signed afresh."""

    def __init__(self, url: str, key: bytes, body: bytes) -> None:
        self._url = url
        self._key = key
        self._body = body
        self._client = httpx2.Client(timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._client.close()

    def send(self, times: int, concurrency: int) -> Iterator[str]:
        """Yield each answer's status as it comes, or the name of what kept one from coming."""
        with ThreadPoolExecutor(max_workers=concurrency) as pool:
            for answer in as_completed([pool.submit(self._post) for _ in range(times)]):
                yield answer.result()

    def _post(self) -> str:
        headers = {
            "Authorization": self._key.decode(),
            "Coinflow-Signature": sign(self._key, self._body, int(time.time())),
            "Content-Type": "application/json",
        }
        try:
            return str(self._client.post(self._url, content=self._body, headers=headers).status_code)
        except httpx2.HTTPError as error:
            return type(error).__name__
