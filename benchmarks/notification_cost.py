"""What a notification costs fulfilment, and what a claim costs behind many that wait; on DATABASE_URL alone.

    python -m benchmarks.notification_cost fulfilment [events in a message]
    python -m benchmarks.notification_cost claim [pending rows]

`fulfilment` is processor time of a worker per event, without an endpoint and with one, in turn, while nobody
tells anything. `claim` takes 20 rows of those that wait. Database and queues should be for nothing else.
"""

import json
import os
import statistics
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from celeryconfig import INTAKE_TASK, dead_queue, task_queues
from tasks.celery import PREPARATIONS, Application, create_app
from tasks.coinflow.samples import sample, with_identity
from tasks.pipeline.dispatch import Delivery
from tasks.settings import Settings
from tasks.store import endpoints, notifications
from tasks.store.clock import clock
from tasks.store.database import connect
from tasks.store.price_lists import accept

_MESSAGES, _ROUNDS = 40, 10
_MILLION = 1_000_000
_FILL = """
INSERT INTO payments (id, decision, updated_at, version)
SELECT 'pay-' || number, 'granted', CURRENT_TIMESTAMP, 2 FROM generate_series(1, :payments) AS number
ON CONFLICT DO NOTHING;
INSERT INTO notifications (payment_id, version, endpoint, state, due_at, created_at)
SELECT 'pay-' || number, version, 'shop', 'pending', CASE WHEN version = 1 THEN CURRENT_TIMESTAMP END,
    CURRENT_TIMESTAMP
FROM generate_series(1, :payments) AS number, generate_series(1, 2) AS version ON CONFLICT DO NOTHING
"""


def fulfilment(size: int = 7) -> None:
    """Fulfil messages of so many events."""
    # What is measured says for itself which endpoints there are.
    PREPARATIONS.clear()
    settings = Settings.load()
    app = create_app(settings)
    app.loader.import_default_modules()
    engine = app.collaborators.engine
    with app.connection_for_write() as connection:
        for queue in (dead_queue, *task_queues):
            queue(connection.default_channel).declare()
    with engine.begin() as connection:
        accept(connection, settings.catalog_path.read_text(), "a benchmark")
    taken: dict[bool, list[float]] = {False: [], True: []}
    for number in range(_ROUNDS + 1):
        for has_endpoint, times in taken.items():
            milliseconds = _fulfil(app, size, has_endpoint=has_endpoint)
            # The first round opens what stays open.
            if number:
                times.append(milliseconds)
    without, having = map(statistics.median, taken.values())
    print(  # noqa: T201  # what a benchmark is for
        f"{size} events in a message: {without:.2f} ms per event without an endpoint, {having:.2f} ms with "
        f"one ({100 * (having / without - 1):+.1f} %)"
    )


def _fulfil(app: Application, size: int, *, has_endpoint: bool) -> float:
    with app.collaborators.engine.begin() as connection:
        configured = {"shop": "https://shop.example"} if has_endpoint else {}
        endpoints.configure(connection, configured, datetime.now(UTC))
    messages = [[_delivery() for _ in range(size)] for _ in range(_MESSAGES)]
    began = time.process_time()
    for message in messages:
        app.tasks[INTAKE_TASK](message)
    return 1000 * (time.process_time() - began) / _MESSAGES / size


def _delivery() -> Delivery:
    packet = sample("Settled")
    with_identity(packet, payment_id=f"pay-{uuid.uuid4()}", wallet=str(uuid.uuid4()))
    return {"body": json.dumps(packet), "received_at": datetime.now(UTC).isoformat()}


def claim(pending: int = _MILLION) -> None:
    """Claim behind so many pending rows, of which every second one waits for another."""
    engine = connect(Settings.load().database_url.get_secret_value())
    with engine.begin() as connection:
        endpoints.configure(connection, {"shop": "https://shop.example"}, datetime.now(UTC))
        for statement in _FILL.split(";"):
            connection.execute(text(statement), {"payments": pending // 2})
        connection.execute(text("ANALYZE notifications"))
    taken = sorted(_claim(engine) for _ in range(300))
    engine.dispose()
    print(  # noqa: T201  # what a benchmark is for
        f"20 of {pending} pending: median {_milliseconds(taken, 0.5):.2f} ms, "
        f"p99 {_milliseconds(taken, 0.99):.2f} ms"
    )


def _claim(engine: Engine) -> float:
    with engine.begin() as connection:
        endpoints.hold(connection, "shop")
        now = clock(connection)
        began = time.perf_counter()
        notifications.claim(connection, "shop", 20, now, timedelta(seconds=30))
        return time.perf_counter() - began


def _milliseconds(taken: Sequence[float], share: float) -> float:
    return 1000 * taken[int(len(taken) * share)]


if __name__ == "__main__":
    os.environ.setdefault("COINFLOW_VALIDATION_KEY", "key-of-a-benchmark")
    command.upgrade(Config(toml_file="pyproject.toml"), "head")
    {"fulfilment": fulfilment, "claim": claim}[sys.argv[1]](*map(int, sys.argv[2:]))
