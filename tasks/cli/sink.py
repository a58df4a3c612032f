"""`coinflowctl sink`: a merchant's server for local work."""

import asyncio
import errno
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from standardwebhooks import Webhook

from celeryconfig import split_commas
from tasks.cli.examples import examples
from tasks.cli.output import print_table, say
from tasks.cli.ports import holder
from tasks.sink.faults import ALL, Fault, Faults
from tasks.sink.inventory import Inventory
from tasks.sink.reception import Reception
from tasks.sink.server import Server

#: Groups of four, of which the last may be filled up.
_SECRET = re.compile(r"whsec_([A-Za-z0-9+/]{4})+([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@dataclass(frozen=True)
class _Answered:
    """How many notifications were answered what."""

    answer: str
    notifications: int


class _FaultType(click.ParamType[Fault]):
    """A way to fail, as `Fault.parse` reads it."""

    name = "fault"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        if isinstance(value, Fault):
            return value
        try:
            return Fault.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@examples("sink", "sink --fail 0.3 --how lost --how status:503 --retry-after 5")
@click.command()
@click.option(
    "--secret",
    envvar="NOTIFY_SECRET",
    help="What notifications are signed with, or several, comma-separated; NOTIFY_SECRET unless given.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8090, show_default=True, help="Listen on this port."
)
@click.option(
    "--address", default="127.0.0.1", show_default=True, help="Listen on this address of this machine."
)
@click.option(
    "--inventory",
    "file",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the inventory in this SQLite file; in memory unless given.",
)
@click.option(
    "--fail",
    "share",
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    default=0,
    show_default=True,
    help="Fail this share of what comes, at random.",
)
@click.option(
    "--how",
    "ways",
    metavar="FAULT",
    multiple=True,
    type=_FaultType(),
    help="How it fails: status:CODE, delay, delay:SECONDS, reset or lost. It may be given several times; "
    "status:500, status:503, delay, reset and lost unless given.",
)
@click.option(
    "--retry-after", metavar="SECONDS", type=click.IntRange(0), help="Ask for this wait with 429 and 503."
)
@click.option(
    "--delay",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="Wait so long before each answer.",
)
@click.option("--seed", type=int, help="Draw the same failures again.")
@click.option("--quiet", is_flag=True, help="Print neither the notifications nor the inventory.")
def sink(
    *,
    secret: str | None,
    port: int,
    address: str,
    file: Path | None,
    share: float,
    ways: tuple[Fault, ...],
    retry_after: int | None,
    delay: float,
    seed: int | None,
    quiet: bool,
) -> None:
    """Run a server that stands in for yours: it verifies, prints and stores what notifications say.

    It is for local work. It takes notifications on any path, answers what it holds to `GET /inventory`, and
    ends on Ctrl-C. With --fail 0.3 it fails three of ten, as --how says: it may store one without answering,
    or say of another that it is busy.
    """
    if ways and not share:
        raise click.UsageError("--how says how it fails; say how often, too: --fail 0.3")
    webhooks = _webhooks(secret)
    faults = Faults(share, ways or ALL, seed)
    with closing(_inventory(file)) as kept:
        reception = Reception(webhooks, kept, faults, retry_after, _nothing if quiet else say)
        server = Server(reception, kept, delay)
        try:
            asyncio.run(server.run(address, port, lambda: say(f"Listening on http://{address}:{port}")))
        except OSError as error:
            raise click.ClickException(_complaint(error, port)) from None
        print_table("Answers", [_Answered(*each) for each in reception.answered.most_common()])
        if not quiet:
            print_table("Inventory", list(kept.held()))


def _webhooks(secret: str | None) -> list[Webhook]:
    secrets = split_commas(secret or "")
    if not secrets:
        raise click.UsageError(
            "Name the secret that your notifications are signed with: --secret, or NOTIFY_SECRET."
        )
    # The library passes over what is no base64.
    if not all(map(_SECRET.fullmatch, secrets)):
        raise click.UsageError("A secret must be whsec_ and base64, as in NOTIFY_SECRET.")
    return list(map(Webhook, secrets))


def _inventory(file: Path | None) -> Inventory:
    try:
        return Inventory(file)
    except sqlite3.Error as error:
        raise click.ClickException(f"{file} cannot hold an inventory: {error}. Name another file.") from None


def _complaint(error: OSError, port: int) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"Nobody can listen there: {error.strerror}. Choose another --address or --port."
    by = holder(port)
    return f"Port {port} is taken{by and f' by {by}'}. End what listens there, or choose another --port."


def _nothing(_line: str) -> None:
    pass
