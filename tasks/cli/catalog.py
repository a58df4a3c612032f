"""`coinflowctl catalog`: the price list in force, and what puts another one in force."""

from collections.abc import Sequence

import click

from tasks.cli.acting import operator_options
from tasks.cli.options import json_option
from tasks.cli.output import database, print_json, print_table
from tasks.payments.price_changes import PriceChange, price_changes
from tasks.payments.price_list import AcceptedPriceList, Item, PriceListError, read_price_list
from tasks.settings import Settings
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.price_lists import newest
from tasks.worker.price_list_file import read_file


@click.group()
def catalog() -> None:
    """Read the price list in force; put the one of CATALOG_PATH in force."""


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
    changes = price_changes(before.prices if before else None, accepted.prices) if accepted else []
    if as_json:
        print_json(
            {
                "file": str(path),
                "accepted": accepted is not None,
                "price_list": _identity(accepted or before),
                "changes": _documents(changes),
            }
        )
    elif accepted is None:
        click.echo(f"{path} is in force already: {before}")
    else:
        click.echo(f"{path} is in force now: {accepted}")
        _print_changes("Changes", changes)


@catalog.command()
@json_option
def show(*, as_json: bool) -> None:
    """Show the prices in force and since when, and what the file of CATALOG_PATH would change.

    Exits with 1 if that file is broken.
    """
    path = Settings.load().catalog_path
    with database() as connection:
        in_force = newest(connection)
    fault: PriceListError | None = None
    changes: Sequence[PriceChange] = ()
    try:
        changes = price_changes(in_force.prices if in_force else None, read_price_list(read_file(path)))
    except PriceListError as error:
        fault = error
    if as_json:
        print_json(
            {
                "price_list": _identity(in_force),
                "items": [_document(name, item) for name, item in _items(in_force)],
                "file": str(path),
                "changes": _documents(changes),
                "fault": fault and {"line": fault.line, "reason": fault.reason},
            }
        )
    else:
        _print_prices(in_force)
        if changes:
            click.echo(f"{path} is another list, which `coinflowctl catalog apply` puts in force.")
            _print_changes("It would change", changes)
    if fault:
        raise click.ClickException(f"{fault.told_of(path)}\nThe last good list stays in force.")


def _items(accepted: AcceptedPriceList | None) -> Sequence[tuple[str, Item]]:
    return list(accepted.prices.items.items()) if accepted else []


def _identity(accepted: AcceptedPriceList | None) -> dict[str, object] | None:
    if accepted is None:
        return None
    return {
        "id": accepted.id,
        "content_hash": accepted.content_hash,
        "accepted_at": accepted.accepted_at,
        "accepted_by": accepted.accepted_by,
    }


def _document(name: str, item: Item) -> dict[str, object]:
    former = [{**price.model_dump(), "accepted_until": price.accepted_until} for price in item.former_prices]
    return {"item": name, **item.price.model_dump(), "former_prices": former}


def _documents(changes: Sequence[PriceChange]) -> list[dict[str, object]]:
    return [
        {
            "item": change.item,
            "before": change.before and _document(change.item, change.before),
            "after": change.after and _document(change.item, change.after),
        }
        for change in changes
    ]


def _print_prices(in_force: AcceptedPriceList | None) -> None:
    if in_force is None:
        click.echo("No price list was ever accepted; `coinflowctl catalog apply` accepts the first.")
        return
    prices = [
        {
            "item": name,
            "cents": price.cents,
            "currency": price.currency,
            "accepted_until": getattr(price, "accepted_until", None),
        }
        for name, item in _items(in_force)
        for price in (item.price, *item.former_prices)
    ]
    click.echo(f"In force: {in_force}, by {in_force.accepted_by}")
    print_table("Prices", prices)


def _print_changes(title: str, changes: Sequence[PriceChange]) -> None:
    rows = [
        {"item": change.item, "before": _in_words(change.before), "after": _in_words(change.after)}
        for change in changes
    ]
    print_table(title, rows)


def _in_words(item: Item | None) -> str:
    if item is None:
        return "not sold"
    former = [
        f"{price.cents} {price.currency} until {price.accepted_until:%Y-%m-%d %H:%M}"
        for price in item.former_prices
    ]
    return ", ".join([f"{item.price.cents} {item.price.currency}", *former])
