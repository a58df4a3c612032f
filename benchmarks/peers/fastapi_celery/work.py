"""Celery's task and SQLAlchemy: the event, the grant and its ledger entry in one transaction."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from celery import Celery
from sqlalchemy import BigInteger, Column, Engine, MetaData, Table, Text, create_engine, insert
from sqlalchemy.dialects.postgresql import insert as insert_new

app = Celery("work")
app.config_from_object("celery_settings")

_metadata = MetaData()
_events = Table(
    "events",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    *(Column(name, Text) for name in ("key", "event_type", "payment_id", "created", "body")),
)
_grants = Table(
    "grants",
    _metadata,
    Column("payment_id", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("wallet", Text),
    Column("quantity", BigInteger),
)
_entries = Table(
    "ledger_entries",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    *(Column(name, Text) for name in ("payment_id", "item", "wallet")),
    Column("delta", BigInteger),
    Column("event_id", BigInteger),
)


@cache
def engine() -> Engine:
    """Return the process's own."""
    return create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:", 1))


@cache
def prices() -> dict[str, int]:
    """Return what each item costs, in cents."""
    found: dict[str, int] = json.loads(Path(os.environ["PRICES_PATH"]).read_text())
    return found


@app.task
def store(event: dict[str, Any]) -> None:
    """Store the event and fulfil its payment."""
    data = event["data"]
    body = json.dumps(event, sort_keys=True)
    row = {
        "key": hashlib.sha256(body.encode()).hexdigest(),
        "event_type": event["eventType"],
        "payment_id": data["id"],
        "created": event["created"],
        "body": body,
    }
    with engine().begin() as connection:
        event_id = connection.scalar(
            insert_new(_events).values(row).on_conflict_do_nothing().returning(_events.c.id)
        )
        if event_id is None or event["eventType"] != "Settled":
            return
        item, quantity = data["webhookInfo"]["item"], data["webhookInfo"].get("quantity", 1)
        if data["subtotal"]["cents"] != prices()[item] * quantity:
            raise ValueError("Price mismatch")
        what = {"payment_id": data["id"], "item": item, "wallet": data["customerId"]}
        granted = connection.execute(
            insert_new(_grants).values(**what, quantity=quantity).on_conflict_do_nothing()
        )
        if granted.rowcount:
            connection.execute(insert(_entries).values(**what, delta=quantity, event_id=event_id))
