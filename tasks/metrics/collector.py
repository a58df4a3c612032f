"""Asks database and broker, and tells what they say in Prometheus' words."""

from collections.abc import Iterator
from pathlib import Path

from celery import Celery
from prometheus_client import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from tasks.metrics import families
from tasks.metrics.price_list import is_refused
from tasks.metrics.queues import queue_states
from tasks.store.totals import bring_forward
from tasks.store.views.metrics import Snapshot, snapshot

#: Seconds that a statement may take on PostgreSQL: who asks for metrics has gone then.
_LONGEST = 9


class Coinflow(Collector):
    """Everything that is told, anew each time: right after any outage, and with any number of processes."""

    def __init__(self, app: Celery, engine: Engine, price_list: Path) -> None:
        self._app = app
        self._engine = engine
        self._price_list = price_list

    def collect(self) -> Iterator[Metric]:
        """Tell everything, or raise what keeps anything of it from being known."""
        bring_forward(self._engine)
        found = self._look()
        queues = queue_states(self._app)
        yield from families.of_database(found)
        yield from families.of_queues(queues)
        yield families.of_price_list(is_refused=is_refused(self._price_list))

    def _look(self) -> Snapshot:
        with self._engine.connect() as connection:
            # A transaction of SQLite's sees one state of the file anyway.
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{_LONGEST}s'")
            return snapshot(connection)
