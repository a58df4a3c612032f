"""The worker's composition root: the Celery app, and what its tasks work on."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from celery import Celery, Task
from celery.signals import setup_logging, worker_before_create_process
from sqlalchemy import Engine

from celeryconfig import APPLICATION_HEADER, TRACEPARENT, WORKERS_QUEUES, application_marks
from tasks.settings import Settings
from tasks.store.database import CONNECTIONS, connect
from tasks.tracing import tracing
from tasks.worker.outages import warn_of_outages
from tasks.worker.price_list_watch import PriceListWatch
from tasks.worker.queues import Queues
from tasks.worker.shared_memory import share_with_children
from tasks.worker.shutdown import OrderlyStop, WarmStop


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the tasks of one process work on."""

    settings: Settings
    engine: Engine
    #: When its worker read the environment; its children, too.
    started_at: datetime


#: What a process does before its first task; modules of tasks add to it. What fails is done before the next.
PREPARATIONS: list[Callable[[Collaborators], None]] = []


class Application(Celery):
    """Celery's, which knows what its tasks work on."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            "tasks",
            config_source="celeryconfig",
            task_cls="tasks.worker.reliable_task:ReliableTask",
            amqp="tasks.worker.queues:AMQP",
            control="tasks.worker.monitoring:Control",
            events="tasks.worker.monitoring:Events",
        )
        self._settings = settings
        self._started_at = datetime.now(UTC)
        #: What its messages are marked with, and which marks it takes.
        self.conf.application_marks = application_marks(settings.validation_keys)
        self._of_processes: dict[int, Collaborators] = {}
        self._prepared: set[int] = set()
        self._preparing = threading.Lock()

    @property
    def collaborators(self) -> Collaborators:
        """What belongs to this process: made at first use, so that no two share a connection."""
        process = os.getpid()
        if process not in self._of_processes:
            engine = connect(
                self._settings.database_url.get_secret_value(),
                pooler=self._settings.database_pooler,
                connections=CONNECTIONS,
            )
            own = Collaborators(self._settings, engine, self._started_at)
            # Of two threads that come at once, both get the first one's.
            self._of_processes.setdefault(process, own)
        return self._of_processes[process]

    def prepare(self) -> Collaborators:
        """Return what belongs to this process, ready for a task."""
        own, process = self.collaborators, os.getpid()
        if process not in self._prepared:
            # Once for all threads, each of which would take a connection of its own.
            with self._preparing:
                if process not in self._prepared:
                    for preparation in PREPARATIONS:
                        preparation(own)
                    self._prepared.add(process)
        return own

    def send_task(self, *arguments: Any, **options: Any) -> Any:
        """Send a task, marked as this application's, and with the context of what sends it."""
        headers = {
            **(options.get("headers") or {}),
            APPLICATION_HEADER: ",".join(self.conf.application_marks),
        }
        if traceparent := tracing.traceparent():
            headers[TRACEPARENT] = traceparent
        return super().send_task(*arguments, **{**options, "headers": headers})

    def connection(self, *arguments: Any, **options: Any) -> Any:
        """Return a connection with a heartbeat, so that Flower notices that the broker has fallen silent."""
        options.setdefault("heartbeat", self.conf.broker_heartbeat)
        return super().connection(*arguments, **options)


def create_app(settings: Settings) -> Application:
    """Return the application of the given settings; its loader imports its tasks."""
    app = Application(settings)
    # Handlers register themselves, and then there is a task for each.
    app.conf.imports = (*settings.handlers, *app.conf.imports)
    app.conf.worker_concurrency = settings.worker_concurrency
    app.amqp.queues.select(list(WORKERS_QUEUES))
    app.steps["worker"].add(PriceListWatch)
    app.steps["worker"].add(WarmStop)
    app.steps["consumer"].add(Queues)
    app.steps["consumer"].add(OrderlyStop)
    return app


def _begin_telling(settings: Settings) -> None:
    settings.configure_logs(*([tracing.add_trace_id] if settings.otel_exporter_otlp_endpoint else []))
    tracing.begin(settings)


def collaborators(task: Task[..., Any]) -> Collaborators:
    """Return what a task works on."""
    return cast("Application", task.app).prepare()


def __getattr__(name: str) -> Application:
    """Make `app` of the environment when it is first asked for, as `celery -A tasks` does."""
    if name != "app":
        raise AttributeError(name)
    settings = Settings.load()
    setup_logging.connect(lambda **_: _begin_telling(settings), weak=False)
    setup_logging.connect(warn_of_outages)
    worker_before_create_process.connect(share_with_children)
    # It is there before its modules are, because they may ask for it.
    globals()[name] = app = create_app(settings)
    try:
        app.loader.import_default_modules()
    except BaseException:
        # Nobody may take it for whole: what waits for a handler that is missing would be given up.
        del globals()[name]
        raise
    return app
