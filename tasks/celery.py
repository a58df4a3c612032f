"""The worker's composition root: the Celery app, and what its tasks work on."""

from functools import cache
from typing import Any

from celery import Celery, bootsteps
from celery.signals import setup_logging
from sqlalchemy import Engine

from tasks.payments.price_list import Catalog, CatalogError
from tasks.settings import Settings
from tasks.store.database import connect
from tasks.worker.price_list import PriceList
from tasks.worker.queues import Queues
from tasks.worker.shutdown import OrderlyStop

settings = Settings.load()


class Application(Celery):
    """Celery's, whose plain connections, such as Flower's, notice that the broker has fallen silent."""

    def connection(self, *arguments: Any, **options: Any) -> Any:
        """Return a connection with a heartbeat."""
        options.setdefault("heartbeat", self.conf.broker_heartbeat)
        return super().connection(*arguments, **options)


app = Application(
    "tasks",
    config_source="celeryconfig",
    task_cls="tasks.worker.retries:ReliableTask",
    control="tasks.worker.monitoring:Control",
    events="tasks.worker.monitoring:Events",
)


@cache
def engine() -> Engine:
    """Return this process's connections; made at first use, so that no two processes share one."""
    return connect(settings.database_url.get_secret_value())


@cache
def price_list() -> PriceList:
    """Return the list that the worker shares with its pool. Raises CatalogError."""
    return PriceList(settings.catalog_path)


def catalog() -> Catalog:
    """Return the price list in force."""
    return price_list().current()


@setup_logging.connect
def _configure_logs(**_options: Any) -> None:
    settings.configure_logs()


class PriceListWatch(bootsteps.StartStopStep):
    """Reads the price list before the pool is forked, and looks for edits while the worker runs."""

    requires = ("celery.worker.components:Pool",)

    def create(self, _worker: Any) -> None:
        """Refuse to start with a broken list. Raises SystemExit."""
        try:
            price_list()
        except CatalogError as error:
            raise SystemExit(f"The price list needs attention. {error}") from None

    def start(self, worker: Any) -> None:
        """Look every second; the timer is the worker's, so it outlives a connection to the broker."""
        worker.timer.call_repeatedly(1.0, price_list().look)


app.steps["worker"].add(PriceListWatch)
app.steps["consumer"].add(Queues)
app.steps["consumer"].add(OrderlyStop)
