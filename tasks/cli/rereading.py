"""`coinflowctl events reread`: stored events are read anew."""

from collections import Counter
from functools import partial

import click

from tasks.cli.acting import operator_options
from tasks.cli.celery_app import broker_may_fail, celery_app
from tasks.cli.database import transactions
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json, print_table
from tasks.pipeline import rereading
from tasks.settings import Settings
from tasks.store.actions import Operator


@examples('events reread --reason "upgraded"')
@click.command()
@operator_options
@json_option
def reread(*, by: Operator, as_json: bool) -> None:
    """Read anew, after an upgrade, what an earlier version has read, and what was set aside.

    A payment of which an event says another thing now is fulfilled again. A foreign event whose merchant
    COINFLOW_MERCHANT_IDS names now, and one that can be read now, is taken in again; restart the worker
    before. It may be stopped and run again.
    """
    names = ("events", "unreadable", "foreign", "payments", "taken_in")
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    # First, for the merchant's handlers come with it, and without them what waits for one would be given up.
    app = celery_app()
    with transactions() as engine:
        for batch in rereading.reread(engine, by, Settings.load().merchant_ids):
            with broker_may_fail(partial(_left, counts["events"])):
                batch.work.send(app)
            counts.update(
                events=batch.events,
                unreadable=batch.unreadable,
                foreign=batch.foreign,
                payments=len(batch.work.payment_ids),
                taken_in=len(batch.work.unread),
            )
    if as_json:
        print_json(counts)
    else:
        print_table("Read anew", [counts])


def _left(before: int, reason: str) -> str:
    return (
        f"The broker cannot be reached ({reason}). {before} events were read anew and sent; the next are "
        "read, and recovery sends them when the broker is back. Run it again then for the rest."
    )
