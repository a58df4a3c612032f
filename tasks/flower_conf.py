"""Flower's configuration, which Flower reads by `--conf`: where it listens, and for whom.

Without a password a browser is all that stands between Flower and the pages that it visits, and it takes any
name that leads to this machine for a place of its own (DNS rebinding). Flower asks for no name; this does.
"""

# Every name of this file that is an option's is taken for it, as `logging` would be.
from asyncio import get_running_loop
from collections.abc import Sequence
from logging import WARNING, getLogger
from typing import Any

from celery import Celery
from flower import command
from flower.app import Flower
from flower.inspector import Inspector
from flower.views import BaseHandler
from tornado.httputil import HTTPServerRequest
from tornado.web import ErrorHandler, HTTPError

from tasks.metrics.queues import queue_states
from tasks.serving_settings import FlowerSettings
from tasks.worker.outages import warn_of_outages

_settings = FlowerSettings.load()
# Before Flower's own, which leaves a root logger alone that has a handler.
_settings.configure_logs()
warn_of_outages()
# It lists every task, a line each.
getLogger("flower.command").setLevel(WARNING)
_names = _settings.names()
#: Flower's option `--address`.
address = _settings.flower_address
#: Its option `--tasks_columns`, with the result besides, which alone says that a payment was refused.
tasks_columns = "name,uuid,state,result,received,runtime,worker"


class _UnknownName(ErrorHandler):
    """Refuses a request for a host that this Flower is not."""

    def prepare(self) -> None:
        raise HTTPError(403, reason="Not a name in FLOWER_HOSTS")


# One question to the workers at a time: each would take a connection.
Inspector.max_concurrency = 1


class _Monitor(Flower):  # type: ignore[misc]  # Flower ships no types
    def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
        """Return what answers a request."""
        if request.host_name not in _names:
            return self.get_handler_delegate(request, _UnknownName, {"status_code": 403})
        return super().find_handler(request, **options)


class _Queues:
    """Asks any broker for its queues as Celery reaches it: RabbitMQ needs no plugin, files no server."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    async def queues(self, _names: Sequence[str]) -> list[dict[str, Any]]:
        """Return each queue with how many messages wait, and how many read it where the broker knows."""
        # It waits for the broker.
        states = await get_running_loop().run_in_executor(None, queue_states, self._app)
        return [
            {
                "name": each.name,
                "messages": each.messages,
                "messages_ready": each.messages,
                "consumers": each.consumers,
            }
            for each in states
        ]


_own_broker = BaseHandler.get_broker


def _broker(page: BaseHandler) -> Any:
    # RabbitMQ's plugin knows more, such as what workers hold.
    return _own_broker(page) if page.application.options.broker_api else _Queues(page.capp)


BaseHandler.get_broker = _broker

# Flower has no option for it; its command makes the application that it finds by this name.
command.Flower = _Monitor
