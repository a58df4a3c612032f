"""`coinflowctl catalog apply`: puts another price list in force."""

import click

from tasks.cli.acting import operator_options
from tasks.cli.catalog_changes import NO_CHANGES, changes_to, print_changes_to
from tasks.cli.catalog_documents import identity
from tasks.cli.catalog_tables import warn_of_any
from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json, say
from tasks.payments.price_list import PriceListError
from tasks.settings import Settings
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.worker.price_list_file import read_file


@examples('catalog apply --reason "dearer steel"')
@click.command()
@operator_options
@json_option
def apply(*, by: Operator, as_json: bool) -> None:
    """Put the price list of CATALOG_PATH in force, if it can be read; say what changes."""
    path = Settings.load().catalog_path
    try:
        content = read_file(path)
        with database() as connection:
            before, accepted = operations.apply_price_list(connection, by, content)
    except PriceListError as error:
        raise click.ClickException(f"{error.told_of(path)}\nNothing was changed.") from None
    changes = changes_to(before, accepted.prices) if accepted else NO_CHANGES
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
        print_changes_to("Changes", before, accepted.prices)
    if accepted:
        warn_of_any(accepted.prices)
