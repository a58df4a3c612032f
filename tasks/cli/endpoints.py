"""`coinflowctl endpoints`: whom changes are told, how they fare, and whether they are told anything."""

from dataclasses import asdict
from typing import Any

import click

from tasks.cli.database import database
from tasks.cli.examples import examples
from tasks.cli.lazy_group import LazyGroup
from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table
from tasks.store.views import endpoints as views
from tasks.store.views.endpoints import MOST, EndpointLine

#: Columns that count up to a limit.
_COUNTED = ("pending", "waiting", "dead")


@click.group(cls=LazyGroup, elsewhere={"pause": "pausing", "resume": "pausing"})
def endpoints() -> None:
    """Read the state of the servers and functions that are told of changes; pause and resume them."""


@examples("endpoints list")
@endpoints.command(name="list")
@json_option
def list_endpoints(*, as_json: bool) -> None:
    """List the endpoints: their state, what waits for them, and how the last tries went.

    What is pending is yet to be told; what of it is waiting comes after an earlier change of its payment.
    Counts end at 10000, which means so many or more.
    """
    with database() as connection:
        listed = views.list_endpoints(connection)
    if as_json:
        print_json(listed)
    else:
        print_table("Endpoints", [_in_words(each) for each in listed])


def _in_words(line: EndpointLine) -> dict[str, Any]:
    counts = {name: f"{count}+" if (count := getattr(line, name)) >= MOST else count for name in _COUNTED}
    return {**asdict(line), **counts}
