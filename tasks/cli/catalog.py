"""`coinflowctl catalog`: the price list as a worker would read it now."""

import click

from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table
from tasks.payments.price_list import PriceListError, read_price_list
from tasks.settings import Settings
from tasks.worker.price_list_file import read_file


@click.group()
def catalog() -> None:
    """Read the price list."""


@catalog.command()
@json_option
def show(*, as_json: bool) -> None:
    """Show what each item costs, and until when its former prices are accepted."""
    path = Settings.load().catalog_path
    try:
        items = read_price_list(read_file(path)).items
    except PriceListError as error:
        raise click.ClickException(
            f"{error.told_of(path)}\nRunning workers keep the last good list; a new worker refuses to start."
        ) from None
    if as_json:
        document = [
            {
                "item": name,
                **item.price.model_dump(),
                "former_prices": [
                    {**price.model_dump(), "accepted_until": price.accepted_until}
                    for price in item.former_prices
                ],
            }
            for name, item in items.items()
        ]
        print_json({"file": str(path), "items": document})
        return
    prices = [
        {
            "item": name,
            "cents": price.cents,
            "currency": price.currency,
            "accepted_until": getattr(price, "accepted_until", None),
        }
        for name, item in items.items()
        for price in (item.price, *item.former_prices)
    ]
    print_table(f"Price list {path}", prices)
