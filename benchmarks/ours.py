"""The product: the Procfile's own processes, on RabbitMQ and PostgreSQL, or on files."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path

from benchmarks.growth import filled_database, filled_file
from benchmarks.servers import Servers
from benchmarks.subject import Extent, Running, Subject
from tests.stack import ROOT, Stack, procfile
from tests.waiting import wait_until


def ours(
    name: str,
    *,
    embedded: bool = False,
    source: Path = ROOT,
    settings: Mapping[str, str] = {},
    stored: int = 0,
    entry: str = "",
) -> Subject:
    """Return a release as a subject.

    `settings` are variables of its environment, `stored` says how many granted payments its database holds
    before, and `entry` is what gunicorn serves in place of the receiver.
    """
    run = partial(_run, embedded=embedded, source=source, settings=settings, stored=stored, entry=entry)
    return Subject(name, run)


@contextmanager
def _run(
    servers: Servers,
    extent: Extent,
    *,
    embedded: bool,
    source: Path,
    settings: Mapping[str, str],
    stored: int,
    entry: str,
) -> Iterator[Running]:
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-ours-")))
        # Its files alone, wherever it was installed.
        environment = {"PYTHONPATH": f"{folder}/app", "PYTHONWARNINGS": "", "LOG_FORMAT": "json", **settings}
        if (source / ".venv").is_dir():
            # Each release runs on what it has locked.
            environment["PATH"] = f"{source / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        roles = {}
        if not embedded:
            environment["BROKER_URL"] = exits.enter_context(servers.virtual_host())
            like = filled_database(servers, stored) if stored else "template1"
            environment["DATABASE_URL"] = exits.enter_context(servers.database(like))
            roles = {"broker": [servers.rabbitmq.process_id], "database": [servers.postgres.process_id]}
        stack = exits.enter_context(Stack(folder, environment, source))
        database_url = stack.environment["DATABASE_URL"]
        if embedded and stored:
            shutil.copy(filled_file(servers, stored), database_url.removeprefix("sqlite:///"))
        stack.release()
        began = time.monotonic()
        if entry:
            command = procfile(source)["web"].replace("receiver.app:get_app()", entry)
            stack.start_command("web", ["/bin/sh", "-c", command])
            wait_until(lambda: stack.get("/readyz") == HTTPStatus.OK, what="the door is ready")
        else:
            stack.start("web")
        ready_after = time.monotonic() - began
        roles["door"] = [stack.processes["web"].pid]
        if extent is Extent.WHOLE_WAY:
            stack.start("worker")
            roles["worker"] = [stack.processes["worker"].pid]
        yield Running(stack.url, roles, database_url, ready_after)
