"""`coinflowctl prune`: lets what Coinflow sent go after a time."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from tasks.cli.acting import operator_options
from tasks.cli.database import transactions
from tasks.cli.examples import examples
from tasks.cli.options import json_option
from tasks.cli.output import print_json, say
from tasks.store import retention
from tasks.store.actions import Change, Operator, record
from tasks.store.states import ActionKind

_MOST_DAYS = 36_500


class _Age(click.ParamType[timedelta]):
    """A number of days, as 400d or 400."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,5})d?", value.strip())
        if not found or not 0 < int(found[1]) <= _MOST_DAYS:
            self.fail(f"{value!r} is no number of days from 1 to {_MOST_DAYS}, such as 400d", param, ctx)
        return timedelta(days=int(found[1]))


@examples("prune --older-than 400d --dry-run")
@click.command()
@click.option("--older-than", "age", type=_Age(), required=True, help="Events that came so many days ago.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@operator_options
@json_option
def prune(age: timedelta, *, dry_run: bool, by: Operator, as_json: bool) -> None:
    """Remove what Coinflow sent of events that came long ago: bodies, and with them personal data.

    The ledger, decisions, and what the rules read of an event stay, so a payment is decided as before when a
    late event comes. What still waits for a handler, or could be replayed to one, stays whole.
    EVENT_RETENTION_DAYS does it every hour.
    """
    before = datetime.now(UTC) - age
    counts = Counter(events=0, characters=0)
    with transactions() as engine:
        try:
            for batch in retention.prune_all(engine, before, dry_run=dry_run):
                counts.update(events=batch.events, characters=batch.size)
        finally:
            # Also where somebody has cut it off.
            if counts["events"] and not dry_run:
                with engine.begin() as connection:
                    change = Change(subject=f"events before {before:%Y-%m-%d}", after=dict(counts))
                    record(connection, by, ActionKind.PRUNE, change)
    if as_json:
        print_json({"before": before, "dry_run": dry_run, **counts})
        return
    what = "would lose their bodies" if dry_run else "have lost their bodies"
    say(f"{counts['events']} events from before {before:%Y-%m-%d} {what}: {counts['characters']} characters.")
