"""Limits: what nothing can be faster than that does the same on this machine."""

import json
import re
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import amqp
import falcon.asgi
import psycopg
from falcon.asgi import Request, Response
from sqlalchemy import make_url

from benchmarks.measured import Measured, shares
from benchmarks.processor import Machine, seconds
from benchmarks.purchases import purchase
from benchmarks.servers import Servers
from receiver.app import get_app
from receiver.handoff import HandOff

_UNCONFIRMED = 32
_CLIENTS = 16
#: What the peers' workers do.
_TRANSACTION = r"""
\set player random(1, 100000)
\set payment random(1, 9000000000000000000)
BEGIN;
INSERT INTO events (key, event_type, payment_id, created, body)
  VALUES (md5(:payment::text), 'Settled', :payment::text, '', repeat('x', 900))
  ON CONFLICT (key) DO NOTHING RETURNING id \gset
INSERT INTO grants (payment_id, item, wallet, quantity) VALUES (:payment::text, 'sword', :player::text, 1)
  ON CONFLICT (payment_id, item) DO NOTHING;
INSERT INTO ledger_entries (payment_id, item, wallet, delta, event_id)
  VALUES (:payment::text, 'sword', :player::text, 1, :id);
COMMIT;
"""


def without_handoff() -> falcon.asgi.App[Request, Response]:
    """Return the receiver, but that it answers 200 without having handed anything off."""

    async def deliver(*_: object) -> None:
        """Hand nothing off."""

    # Whatever it is given by then, it is what the limit leaves out.
    setattr(HandOff, "deliver", deliver)  # noqa: B010  # a type checker would want today's signature
    return get_app()


def publisher(servers: Servers, duration: int) -> Measured:
    """Publish to a quorum queue from one process, with so many messages unconfirmed at a time."""
    body = json.dumps(purchase(str(uuid.uuid4()), "player")).encode()
    with servers.virtual_host() as url:
        address = make_url(url)
        with amqp.Connection(
            f"{address.host}:{address.port}", "guest", "guest", virtual_host=str(address.database)
        ) as connection:
            channel = connection.channel()
            channel.queue_declare(
                "events", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"}
            )
            confirmed = 0

            def confirm(tag: int, _multiple: bool) -> None:  # noqa: FBT001  # amqp calls it so
                nonlocal confirmed
                # Confirms come in order, and one may stand for all before it.
                confirmed = max(confirmed, tag)

            channel.confirm_select()
            channel.events["basic_ack"].add(confirm)  # type: ignore[attr-defined]  # the stubs know none
            message = amqp.Message(body, delivery_mode=2)
            machine, before, began = Machine.now(), _seconds(servers), time.monotonic()
            own, sent = time.process_time(), 0
            while time.monotonic() - began < duration:
                channel.basic_publish(message, routing_key="events")
                sent += 1
                while sent - confirmed >= _UNCONFIRMED:
                    connection.drain_events()
            took, broker = time.monotonic() - began, _seconds(servers) - before
            taken = time.process_time() - own
    costs = {"door": 1000 * taken / confirmed, "broker": 1000 * broker / confirmed}
    return Measured(
        {"accepted/s": confirmed / took}, costs, *shares(Machine.now().since(machine), taken + broker)
    )


def _seconds(servers: Servers) -> float:
    return seconds([servers.rabbitmq.process_id])


def transactions(servers: Servers, duration: int) -> Measured:
    """Run the peers' transaction by pgbench."""
    schema = Path(__file__).with_name("peers") / "schema.sql"
    with servers.database() as url, tempfile.NamedTemporaryFile("w") as script:
        with psycopg.connect(url) as connection:
            connection.execute(schema.read_bytes())
        script.write(_TRANSACTION)
        script.flush()
        command = ["pgbench", "-n", "-f", script.name, "-c", str(_CLIENTS), "-T", str(duration), "-d", url]
        before = seconds([servers.postgres.process_id])
        machine = Machine.now()
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        taken = seconds([servers.postgres.process_id]) - before
    count = int(re.findall(r"transactions actually processed: (\d+)", said)[0])
    rate = float(re.findall(r"tps = ([\d.]+)", said)[0])
    costs = {"database": 1000 * taken / count}
    return Measured({"granted/s": rate}, costs, *shares(Machine.now().since(machine), taken))
