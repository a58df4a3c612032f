"""Answers `GET /metrics`, and nothing else."""

import threading
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6

import structlog
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from tasks.store.faults import name, told

_log = structlog.get_logger(__name__)

#: Seconds to wait for the answer to somebody else, who may wait for a database that has fallen silent.
_PATIENCE = 10.0


class StillAsking(Exception):
    """Somebody else's answer is not made yet."""


class _OneAtATime(Collector):
    """Collects for one client at a time, so that however many ask, database and broker see one."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._asking = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        """Return every metric. Raises whatever keeps one from being known."""
        if not self._asking.acquire(timeout=_PATIENCE):
            raise StillAsking("Whoever asked before has no answer yet: database or broker are silent.")
        try:
            return list(self._collector.collect())
        finally:
            self._asking.release()


class MetricsServer(ThreadingHTTPServer):
    """Asks a collector whenever it is asked."""

    daemon_threads = True

    def __init__(self, address: str, port: int, collector: Collector) -> None:
        self.address_family = AF_INET6 if ":" in address else AF_INET
        self.collector = _OneAtATime(collector)
        super().__init__((address, port), _Answer)


class _Answer(BaseHTTPRequestHandler):
    server: MetricsServer
    #: Seconds that a silent client may keep its thread.
    timeout = 10

    def do_GET(self) -> None:
        """Answer with every metric, or with why it cannot be known."""
        if self.path.partition("?")[0] != "/metrics":
            self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"Ask for /metrics.\n")
            return
        encode, content_type = choose_encoder(self.headers.get("Accept", ""))
        try:
            body = encode(self.server.collector)
        except Exception as error:  # noqa: BLE001  # whatever it is, a number that is not known is not told
            reason = told(error)
            _log.warning("metrics.failed", error=name(error), reason=reason)
            status = HTTPStatus.SERVICE_UNAVAILABLE
            self._send(status, "text/plain; charset=utf-8", f"{name(error)}: {reason}\n".encode())
            return
        self._send(HTTPStatus.OK, content_type, body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # its name there
        """Say nothing of what went well."""

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
