"""`coinflowctl events`: the event log."""

from datetime import UTC, datetime

import click
from pydantic_core import from_json
from sqlalchemy import Select, case, func, select

from tasks.cli.output import database, json_option, limit_option, print_json, print_table, rows
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.store.schema import RunState, SetAside, dead_letters, handler_runs
from tasks.store.schema import events as event_table

WHEN = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])


@click.group()
def events() -> None:
    """Read the event log."""


@events.command(name="list")
@click.option("--type", "event_type", help="Only events of this type.")
@click.option("--payment-id", help="Only events of this payment.")
@click.option("--since", type=WHEN, help="Only events received at this time (UTC) or later.")
@click.option("--until", type=WHEN, help="Only events received before this time (UTC).")
@limit_option
@json_option
def list_events(
    event_type: str | None,
    payment_id: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List events, the newest last."""
    query = summaries().order_by(event_table.c.id.desc()).limit(limit)
    if event_type is not None:
        query = query.where(event_table.c.event_type == event_type)
    if payment_id is not None:
        query = query.where(event_table.c.payment_id == payment_id)
    if since is not None:
        query = query.where(event_table.c.received_at >= since.replace(tzinfo=UTC))
    if until is not None:
        query = query.where(event_table.c.received_at < until.replace(tzinfo=UTC))
    with database() as connection:
        listed = rows(connection, query)[::-1]
    if as_json:
        print_json(listed)
    else:
        print_table("Events", listed)


@events.command()
@click.argument("event_id", type=int)
@json_option
def show(event_id: int, *, as_json: bool) -> None:
    """Show the event with the number EVENT_ID: what came and what became of it."""
    event = summaries().add_columns(event_table.c.key, event_table.c.body).where(event_table.c.id == event_id)
    runs = select(
        handler_runs.c.handler, handler_runs.c.state, handler_runs.c.sent_at, handler_runs.c.finished_at
    ).where(handler_runs.c.event_id == event_id)
    letters = select(
        dead_letters.c.handler,
        dead_letters.c.error,
        dead_letters.c.message,
        dead_letters.c.attempts,
        dead_letters.c.failed_at,
    ).where(dead_letters.c.event_id == event_id)
    with database() as connection:
        found = rows(connection, event)
        if not found:
            raise click.ClickException(f"There is no event {event_id}; `coinflowctl events list` names them.")
        fates = {"handler_runs": rows(connection, runs), "dead_letters": rows(connection, letters)}
    (summary,) = found
    body = from_json(summary.pop("body"))
    if as_json:
        print_json({**summary, "body": body, **fates})
        return
    # The key tells a person nothing and would fill the line.
    summary.pop("key")
    print_table(f"Event {event_id}", [summary])
    print_table("Handlers", fates["handler_runs"])
    print_table("Dead letters", fates["dead_letters"])
    print_json(body)


@events.command()
@json_option
def types(*, as_json: bool) -> None:
    """List every event type that Coinflow documents, and what it means for a payment."""
    listed = [
        {
            "event_type": known.name,
            "family": known.family,
            "meaning": known.meaning,
            "category": known.category,
        }
        for known in EVENT_TYPES.values()
    ]
    if as_json:
        print_json(listed)
    else:
        print_table("Event types", listed)


def summaries() -> Select[tuple[object, ...]]:
    """Return a query for a line per event; `state` is handled, pending, dead, discarded or foreign."""
    state = (
        select(
            case(
                (func.sum(case((handler_runs.c.state == RunState.DEAD, 1), else_=0)) > 0, "dead"),
                (func.sum(case((handler_runs.c.state == RunState.PENDING, 1), else_=0)) > 0, "pending"),
                (func.sum(case((handler_runs.c.state == RunState.DISCARDED, 1), else_=0)) > 0, "discarded"),
                else_="handled",
            )
        )
        .where(handler_runs.c.event_id == event_table.c.id)
        .scalar_subquery()
    )
    return select(
        event_table.c.id,
        event_table.c.event_type,
        event_table.c.payment_id,
        event_table.c.created,
        event_table.c.received_at,
        case((event_table.c.set_aside == SetAside.FOREIGN, "foreign"), else_=state).label("state"),
    )
