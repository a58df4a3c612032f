"""`coinflowctl catalog`: the price list in force, what puts another one in force, and what it asks for."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tasks.cli.acting import operator_options
from tasks.cli.cart_option import CartCommand, cart_options, typed_lines
from tasks.cli.catalog_documents import identity, item_changes, meaning, term_changes
from tasks.cli.catalog_tables import print_changes, print_list, warn_of_any
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import database, print_json, print_table, say
from tasks.errors import PermanentError
from tasks.payments.price_changes import price_changes
from tasks.payments.price_list import AcceptedPriceList, PriceListError, read_price_list
from tasks.payments.price_list_form import PriceList
from tasks.payments.quote import checkout_price
from tasks.settings import Settings
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.price_lists import newest
from tasks.worker.price_list_file import read_file

_NO_LIST = "No price list was ever accepted; `coinflowctl catalog apply` accepts the first."


@click.group()
def catalog() -> None:
    """Read the price list in force and what it asks for; put the one of CATALOG_PATH in force."""


@examples('catalog apply --reason "dearer steel"')
@catalog.command(name="apply")
@operator_options
@json_option
def apply_file(*, by: Operator, as_json: bool) -> None:
    """Put the price list of CATALOG_PATH in force, if it can be read; say what changes."""
    path = Settings.load().catalog_path
    try:
        content = read_file(path)
        with database() as connection:
            before, accepted = operations.apply_price_list(connection, by, content)
    except PriceListError as error:
        raise click.ClickException(f"{error.told_of(path)}\nNothing was changed.") from None
    changes = _changes(before, accepted.prices) if accepted else _NO_CHANGES
    if as_json:
        print_json(
            {
                "file": str(path),
                "accepted": accepted is not None,
                "price_list": identity(accepted or before),
                **changes,
            }
        )
    elif accepted is None:
        say(f"{path} is in force already: {before}")
    else:
        say(f"{path} is in force now: {accepted}")
        _print_changes("Changes", before, accepted.prices)
    if accepted:
        warn_of_any(accepted.prices)


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
    changes = _changes(in_force, file) if file else _NO_CHANGES
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
            _print_changes("It would change", in_force, file)
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
        told = _NOT_KNOWN if reason else _changes(in_force, prices)
        print_json({"file": str(file), "fault": None, **meaning(prices), **told})
    else:
        say(
            f"{file} can be accepted. It has {len(prices.items)} items, "
            f"{len(prices.coupons)} coupons and {len(prices.plans)} plans."
        )
        if reason:
            say(f"What it would change is unknown. {reason}")
        else:
            _print_changes("It would change", in_force, prices)
    warn_of_any(prices)


@examples("catalog price --item sword --quantity 2 --item shield")
@catalog.command(cls=CartCommand)
@cart_options
@click.option("--coupon", help="What `webhookInfo.coupon` claims.")
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


_NO_CHANGES: dict[str, list[Any]] = {"changes": [], "other_changes": []}
_NOT_KNOWN: dict[str, None] = dict.fromkeys(_NO_CHANGES)


def _changes(before: AcceptedPriceList | None, after: PriceList) -> dict[str, list[dict[str, Any]]]:
    former = before.prices if before else None
    return {
        "changes": item_changes(price_changes(former, after)),
        "other_changes": term_changes(former, after),
    }


def _print_changes(title: str, before: AcceptedPriceList | None, after: PriceList) -> None:
    former = before.prices if before else None
    print_changes(title, price_changes(former, after), term_changes(former, after))


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
