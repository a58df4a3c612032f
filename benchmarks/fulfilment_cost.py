"""What a message to intake costs: statements, commits and processor time; on DATABASE_URL alone.

    python -m benchmarks.fulfilment_cost [events in a message ...]
    python -m benchmarks.fulfilment_cost long [events of a payment]
    python -m benchmarks.fulfilment_cost profile [events in a message]

Every message is of payments that are new, each with one `Settled` or (`mixed`) an `Authorized` beside it.
Processor time is that of the worker, and on PostgreSQL that of the server's process. `long` adds one event to
a payment that has many. Database and queues should be for nothing else.
"""

import cProfile
import json
import os
import pstats
import statistics
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.event import listen

from celeryconfig import INTAKE_TASK, dead_queue, task_queues
from tasks.celery import Application, create_app
from tasks.coinflow.samples import sample, with_identity
from tasks.pipeline.dispatch import Delivery
from tasks.settings import Settings
from tasks.store.price_lists import accept

_SIZES = (1, 7, 16, 50, 200)
#: Events per measurement, at least, and measurements of which the median counts.
_EVENTS, _ROUNDS = 800, 3
_BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


class Bench:
    """The product on its database, and a count of what it asks of it."""

    def __init__(self) -> None:
        settings = Settings.load()
        self.app = _application(settings)
        self.engine = self.app.collaborators.engine
        self.statements = self.commits = 0
        listen(self.engine, "before_cursor_execute", self._note_statement)
        listen(self.engine, "commit", self._note_commit)
        with self.engine.begin() as connection:
            accept(connection, settings.catalog_path.read_text(), "a benchmark")

    def take_in(self, message: list[Delivery]) -> None:
        """Run intake's task here."""
        self.app.tasks[INTAKE_TASK](message)

    def server_seconds(self) -> float:
        """Return the processor time that PostgreSQL's process has taken for the connection in use."""
        if self.engine.dialect.name != "postgresql":
            return 0.0
        with self.engine.begin() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        fields = Path(f"/proc/{pid}/schedstat").read_text().split()
        return int(fields[0]) / 1e9

    def _note_statement(self, *_arguments: object) -> None:
        self.statements += 1

    def _note_commit(self, *_arguments: object) -> None:
        self.commits += 1


def _application(settings: Settings) -> Application:
    app = create_app(settings)
    app.loader.import_default_modules()
    with app.connection_for_write() as connection:
        for queue in (dead_queue, *task_queues):
            queue(connection.default_channel).declare()
    return app


def _messages(size: int, count: int, *, is_mixed: bool) -> list[list[Delivery]]:
    return [[each for _ in range(size) for each in _payment(is_mixed=is_mixed)][:size] for _ in range(count)]


def _payment(*, is_mixed: bool) -> Iterator[Delivery]:
    payment_id, wallet = f"pay-{uuid.uuid4()}", str(uuid.uuid4())
    for event_type in ("Payment Authorized", "Settled") if is_mixed else ("Settled",):
        yield _delivery(event_type, payment_id, wallet)


def _delivery(event_type: str, payment_id: str, wallet: str, created: datetime = _BEGAN) -> Delivery:
    packet = sample(event_type)
    with_identity(packet, payment_id=payment_id, wallet=wallet)
    packet["created"] = created.isoformat()
    return {"body": json.dumps(packet), "received_at": datetime.now(UTC).isoformat()}


def cost(bench: Bench, size: int, *, is_mixed: bool) -> None:
    """Print what a message of so many events costs."""
    count = max(4, _EVENTS // size)
    found = [_measured(bench, size, count, is_mixed=is_mixed) for _ in range(_ROUNDS)]
    statements, commits, worker, server = map(statistics.median, zip(*found, strict=True))
    _say(
        f"{size:4} {'mixed' if is_mixed else 'new  '} {statements:5.1f} statements {commits:3.1f} commits, "
        f"worker {worker:7.2f} ms a message {worker / size:6.3f} an event, "
        f"server {server / size:6.3f} an event"
    )


def _measured(bench: Bench, size: int, count: int, *, is_mixed: bool) -> tuple[float, float, float, float]:
    messages = _messages(size, count, is_mixed=is_mixed)
    bench.take_in(messages.pop())
    count -= 1
    server = bench.server_seconds()
    bench.statements = bench.commits = 0
    began = time.process_time()
    for message in messages:
        bench.take_in(message)
    worker = time.process_time() - began
    statements, commits = bench.statements, bench.commits
    server = bench.server_seconds() - server
    return statements / count, commits / count, 1000 * worker / count, 1000 * server / count


def long(bench: Bench, events: int) -> None:
    """Print what one more event of a payment with so many costs."""
    payment_id, wallet = f"pay-{uuid.uuid4()}", str(uuid.uuid4())
    told = [_delivery("Settled", payment_id, wallet)]
    moments = (_BEGAN + timedelta(minutes=number) for number in range(events))
    told += [_delivery("Refund", payment_id, wallet, each) for each in moments]
    bench.take_in(told[:-20])
    taken, server = [], bench.server_seconds()
    for each in told[-20:]:
        began = time.process_time()
        bench.take_in([each])
        taken.append(1000 * (time.process_time() - began))
    server = 1000 * (bench.server_seconds() - server) / 20
    _say(f"one more of {events}: worker {statistics.median(taken):.2f} ms, server {server:.2f} ms")


def profile(bench: Bench, size: int) -> None:
    """Print where the worker's time goes."""
    messages = _messages(size, max(4, 2 * _EVENTS // size), is_mixed=False)
    bench.take_in(messages.pop())
    with _profiled():
        for message in messages:
            bench.take_in(message)


@contextmanager
def _profiled() -> Iterator[None]:
    profiler = cProfile.Profile(time.process_time)
    with profiler:
        yield
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(70).sort_stats("tottime").print_stats(30)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # what a benchmark is for


def main(arguments: Sequence[str]) -> None:
    """Measure what is asked for."""
    bench = Bench()
    if arguments[:1] in (["long"], ["profile"]):
        numbers = [int(each) for each in arguments[1:]]
        long(bench, *(numbers or [500])) if arguments[0] == "long" else profile(bench, *(numbers or [50]))
        return
    for size in map(int, arguments or _SIZES):
        for is_mixed in (False, True):
            cost(bench, size, is_mixed=is_mixed)


if __name__ == "__main__":
    os.environ.setdefault("COINFLOW_VALIDATION_KEY", "key-of-a-benchmark")
    command.upgrade(Config(toml_file="pyproject.toml"), "head")
    main(sys.argv[1:])
