"""Flower's configuration, which Flower reads by `--conf`: where it listens, and for whom.

Without a password a browser is all that stands between Flower and the pages that it visits, and it takes any
name that leads to this machine for a place of its own (DNS rebinding). Flower asks for no name; this does.
"""

from typing import Any

from flower import command
from flower.app import Flower
from flower.inspector import Inspector
from tornado.httputil import HTTPServerRequest
from tornado.web import ErrorHandler, HTTPError

from tasks.settings import FlowerSettings

_settings = FlowerSettings.load()
_names = _settings.names()
#: Flower's option `--address`.
address = _settings.flower_address


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


# Flower has no option for it; its command makes the application that it finds by this name.
command.Flower = _Monitor
