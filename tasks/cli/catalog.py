"""`coinflowctl catalog`: the price list in force, what puts another one in force, and what it asks for."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from tasks.cli.cart_option import CartCommand, cart_options, typed_lines
from tasks.cli.catalog_changes import NO_CHANGES, changes_to, print_changes_to
from tasks.cli.catalog_documents import identity, meaning
from tasks.cli.catalog_tables import print_list, warn_of_any
from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.lazy_group import LazyGroup
from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table, say
from tasks.errors import PermanentError
from tasks.payments.price_list import AcceptedPriceList, PriceListError, read_price_list
from tasks.payments.price_list_form import PriceList
from tasks.payments.quote import checkout_price
from tasks.settings import Settings
from tasks.store.price_lists import newest
from tasks.worker.price_list_file import read_file

_NO_LIST = "No price list was ever accepted; `coinflowctl catalog apply` accepts the first."


@click.group(cls=LazyGroup, elsewhere={"apply": "applying"})
def catalog() -> None:
    """Read the price list in force and what it asks for; put the one of CATALOG_PATH in force."""


@examples("catalog show")
@catalog.command()
@json_option
def show(*, as_json: bool) -> None:
    """Show what the list in force says and since when, and what the file of CATALOG_PATH would change.

    Exits with 1 if that file is broken.
    """
    path = Settings.load().catalog_path
    with database() as connection:
        in_force = newest(connection)
    fault: PriceListError | None = None
    file: PriceList | None = None
    try:
        file = read_price_list(read_file(path))
    except PriceListError as error:
        fault = error
    changes = changes_to(in_force, file) if file else NO_CHANGES
    if as_json:
        print_json(
            {
                "price_list": identity(in_force),
                **meaning(in_force.prices if in_force else None),
                "file": str(path),
                **changes,
                "fault": fault and {"line": fault.line, "reason": fault.reason},
            }
        )
    else:
        _print_in_force(in_force)
        if file and any(changes.values()):
            say(f"{path} is another list, which `coinflowctl catalog apply` puts in force.")
            print_changes_to("It would change", in_force, file)
    if in_force:
        warn_of_any(in_force.prices)
    if fault:
        raise click.ClickException(f"{fault.told_of(path)}\nThe last good list stays in force.")


@examples("catalog check catalog.toml")
@catalog.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def check(file: Path, *, as_json: bool) -> None:
    """Check the price list in FILE, and put nothing in force; say what it would change.

    Exits with 1 if it is broken. It needs no database; without one it cannot say what would change.
    """
    try:
        prices = read_price_list(read_file(file))
    except PriceListError as error:
        if as_json:
            print_json({"file": str(file), "fault": {"line": error.line, "reason": error.reason}})
        raise click.ClickException(error.told_of(file)) from None
    in_force, reason = _known_in_force()
    if as_json:
        unknown: Mapping[str, object] = dict.fromkeys(NO_CHANGES)
        told = unknown if reason else changes_to(in_force, prices)
        print_json({"file": str(file), "fault": None, **meaning(prices), **told})
    else:
        say(
            f"{file} can be accepted. It has {len(prices.items)} items, "
            f"{len(prices.coupons)} coupons and {len(prices.plans)} plans."
        )
        if reason:
            say(f"What it would change is unknown. {reason}")
        else:
            print_changes_to("It would change", in_force, prices)
    warn_of_any(prices)


@examples("catalog price --item sword --quantity 2 --item shield")
@catalog.command(cls=CartCommand)
@cart_options
@click.option("--coupon", help="The coupon that `webhookInfo.coupon` names.")
@click.option("--currency", metavar="CODE", help="Three capital letters; DEFAULT_CURRENCY unless given.")
@json_option
@click.pass_context
def price(
    context: click.Context,
    *,
    item: Sequence[str],
    quantity: Sequence[int],
    coupon: str | None,
    currency: str | None,
    as_json: bool,
) -> None:
    """Say what a checkout must charge now, by the list in force, for each line and for all of them."""
    lines = typed_lines(context, item, quantity)
    currency = currency or Settings.load().default_currency
    with database() as connection:
        in_force = newest(connection)
    if in_force is None:
        raise click.ClickException(_NO_LIST)
    try:
        cents, rows = _priced(in_force.prices, lines, coupon, currency)
    except PermanentError as refusal:
        raise click.ClickException(f"{type(refusal).__name__}: {refusal}") from None
    if as_json:
        print_json(
            {"price_list": identity(in_force), "lines": rows, "coupon": coupon, "cents": cents}
            | {"currency": currency}
        )
        return
    print_table(f"Prices of {in_force}", rows)
    say(f"A checkout must charge {cents} cents {currency}.")


def _priced(
    prices: PriceList, lines: Sequence[tuple[str, int]], coupon: str | None, currency: str
) -> tuple[int, list[dict[str, object]]]:
    """Return what lines cost together, and each of them. Raises as `checkout_price`."""
    now = datetime.now(UTC)
    cents = checkout_price(prices, lines, coupon, currency, now)
    rows: list[dict[str, object]] = []
    for name, count in lines:
        # A coupon that is for other items is no fault of the cart.
        claimed = coupon if coupon and prices.coupons[coupon].is_for(name) else None
        each = checkout_price(prices, [(name, count)], claimed, currency, now)
        rows.append({"item": name, "quantity": count, "cents": each, "coupon": claimed})
    return cents, rows


def _print_in_force(in_force: AcceptedPriceList | None) -> None:
    if in_force is None:
        say(_NO_LIST)
        return
    say(f"In force: {in_force}, by {in_force.accepted_by}")
    print_list(in_force.prices)


def _known_in_force() -> tuple[AcceptedPriceList | None, str | None]:
    """Return the list in force, or why it is not known."""
    try:
        with database() as connection:
            return newest(connection), None
    except click.ClickException as error:
        return None, error.message
