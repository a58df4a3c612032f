"""What one more event of a payment takes that has many; on PostgreSQL.

A process of its own does a worker's work, so that nothing else of a worker is counted.
"""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from alembic import command
from alembic.config import Config

from benchmarks.measured import Measured, shares
from benchmarks.processor import Machine, seconds
from benchmarks.purchases import purchase
from benchmarks.servers import Servers
from celeryconfig import INTAKE_TASK
from tasks.celery import PREPARATIONS, Application, create_app
from tasks.pipeline.dispatch import Delivery
from tasks.settings import Settings
from tasks.store.price_lists import accept
from tasks.worker.shared_memory import share_with_children
from tests.stack import KEY, ROOT

_TIMES = 20
_START = datetime(2026, 1, 1, tzinfo=UTC)


def long_payment(servers: Servers, count: int) -> Measured:
    """Measure milliseconds of the processor for an event after `count` others of its payment."""
    with servers.database() as database, servers.virtual_host() as broker:
        environment = {"BROKER_URL": broker, "COINFLOW_VALIDATION_KEY": KEY, "DATABASE_URL": database}
        words = [sys.executable, "-m", "benchmarks.long_payment", str(count)]
        machine, before = Machine.now(), _taken(servers)
        said = subprocess.run(
            [*words, str(servers.postgres.process_id)],
            cwd=ROOT,
            env=os.environ | environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        own = _taken(servers) - before
    return Measured(json.loads(said.splitlines()[-1]), {}, *shares(Machine.now().since(machine), own))


def _taken(servers: Servers) -> float:
    """Return the seconds of the processor that servers and ended children have taken."""
    times = os.times()
    return times.children_user + times.children_system + seconds([servers.postgres.process_id])


def _measure(count: int, database: int) -> dict[str, float]:
    PREPARATIONS.clear()
    command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
    settings = Settings.load()
    app = create_app(settings)
    app.loader.import_default_modules()
    with app.collaborators.engine.begin() as connection:
        accept(connection, settings.catalog_path.read_text(), "a benchmark")
    for begin in range(0, count, 50):
        _store(app, [_event("long", number) for number in range(begin, min(count, begin + 50))])
    # Another payment opens what stays open.
    _store(app, [_event("other", 0)])
    # As a worker does before it has children.
    share_with_children()
    own, theirs = time.process_time(), seconds([database])
    for number in range(_TIMES):
        _store(app, [_event("long", count + number)])
    return {
        "worker ms": 1000 * (time.process_time() - own) / _TIMES,
        "database ms": 1000 * (seconds([database]) - theirs) / _TIMES,
    }


def _store(app: Application, deliveries: list[Delivery]) -> None:
    app.tasks[INTAKE_TASK](deliveries)


def _event(payment_id: str, number: int) -> Delivery:
    packet = purchase(payment_id, "player")
    # By its time alone, it is another event.
    packet["created"] = (_START + timedelta(seconds=number)).isoformat()
    return {"body": json.dumps(packet), "received_at": datetime.now(UTC).isoformat()}


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201  # its reader waits for it
