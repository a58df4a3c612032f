"""The worker's composition root: the Celery app, and what its tasks work on."""

from functools import cache
from typing import Any

from celery import Celery, bootsteps
from celery.signals import setup_logging
from sqlalchemy import Engine

from celeryconfig import dead_queue
from tasks.catalog import Catalog, read_catalog
from tasks.database import connect
from tasks.settings import Settings

settings = Settings.load()
app = Celery("tasks", config_source="celeryconfig", task_cls="tasks.retries:ReliableTask")


@cache
def engine() -> Engine:
    """Return this process's connections; made at first use, so that no two processes share one."""
    return connect(settings.database_url.get_secret_value())


@cache
def catalog() -> Catalog:
    """Return the price list."""
    return read_catalog(settings.catalog_path)


@setup_logging.connect
def _configure_logs(**_options: Any) -> None:
    settings.configure_logs()


class DeadQueue(bootsteps.StartStopStep):
    """Declares the queue behind the dead-letter exchange, which no worker consumes and so none declares."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def start(self, consumer: Any) -> None:
        """Declare it on every connection: the broker may be a new one."""
        dead_queue(consumer.connection.default_channel).declare()


app.steps["consumer"].add(DeadQueue)
