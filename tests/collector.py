"""A collector of spans, metrics and errors in a test's process, on a real socket: it keeps what is posted."""

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE as CUMULATIVE


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    """A span as it came."""

    service: str
    name: str
    #: Its trace and its own id.
    context: tuple[str, str]
    parent: str
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Any]
    #: The error's name, if it failed.
    failure: str
    events: int


class Collector:
    """Listens while it is entered."""

    def __init__(self) -> None:
        #: The path and the body of each request, without its compression.
        self.received: list[tuple[str, bytes]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_packed = self.headers["Content-Encoding"] == "gzip"
                received.append((self.path, gzip.decompress(body) if is_packed else body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where spans go, as OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def dsn(self) -> str:
        """Where errors go, as SENTRY_DSN."""
        return f"http://public@127.0.0.1:{self._server.server_port}/1"

    @property
    def spans(self) -> list[CollectedSpan]:
        """The spans that have come."""
        return [
            span for path, body in tuple(self.received) if path == "/v1/traces" for span in _spans_of(body)
        ]

    @property
    def totals(self) -> dict[str, dict[str, float]]:
        """The newest totals that have come: by metric, and then by the value of its attribute."""
        found: dict[str, dict[str, float]] = {}
        for path, body in tuple(self.received):
            if path == "/v1/metrics":
                found |= _totals_of(body)
        return found

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors that have come."""
        bodies = [body for path, body in tuple(self.received) if path == "/api/1/envelope/"]
        return [event for body in bodies for event in _events_of(body)]


def _spans_of(body: bytes) -> Iterator[CollectedSpan]:
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = {each.key: _value(each.value) for each in of_resource.resource.attributes}
        for span in (span for scope in of_resource.scope_spans for span in scope.spans):
            yield CollectedSpan(
                service=str(resource["service.name"]),
                name=span.name,
                context=(span.trace_id.hex(), span.span_id.hex()),
                parent=span.parent_span_id.hex(),
                links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                attributes={each.key: _value(each.value) for each in span.attributes},
                failure=span.status.message,
                events=len(span.events),
            )


def _totals_of(body: bytes) -> dict[str, dict[str, float]]:
    resources = ExportMetricsServiceRequest.FromString(body).resource_metrics
    metrics = [each for resource in resources for scope in resource.scope_metrics for each in scope.metrics]
    # What is no total that only rises since the process began has no place here.
    assert all(each.sum.is_monotonic and each.sum.aggregation_temporality == CUMULATIVE for each in metrics)
    return {
        each.name: {
            "".join(str(_value(attribute.value)) for attribute in point.attributes): point.as_int
            or point.as_double
            for point in each.sum.data_points
        }
        for each in metrics
    }


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


def _events_of(envelope: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events of an envelope: a line for it, and a line and a payload for each item."""
    _, *items = envelope.split(b"\n")
    for header, payload in zip(items[::2], items[1::2], strict=False):
        if header and json.loads(header)["type"] == "event":
            yield json.loads(payload)
