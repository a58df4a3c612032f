"""Traces: a span for each authentic delivery, and its context, to which the work on its event refers.

It needs OpenTelemetry, so nobody imports it unless an endpoint is set (`receiver.app`).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from celeryconfig import FLUSH_TIME, TRACEPARENT
from receiver.envelope import Envelope
from receiver.settings import Settings


class Traces:
    """Times deliveries. A thread of its own sends the spans, so that no request waits for a collector.

    Raises what the SDK does about its variables, mostly ValueError.
    """

    def __init__(self, settings: Settings) -> None:
        resource = Resource.create({"service.name": settings.otel_service_name or "coinflow-receiver"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=settings.otel_bsp_schedule_delay)
        )
        self._tracer = self._provider.get_tracer("receiver")
        self._contexts = TraceContextTextMapPropagator()

    @contextmanager
    def delivery(self, envelope: Envelope, sender: str | None) -> Iterator[str | None]:
        """Time a delivery; yield its context, as a `traceparent`, to go with its event.

        `sender` is the `traceparent` that came with it; one that is malformed counts as none. The span is
        nobody's current one: one group of deliveries is published for all of them.
        """
        parent = self._contexts.extract({TRACEPARENT: sender} if sender else {})
        attributes = {"coinflow.event_type": envelope.event_type[:100]}
        if envelope.payment_id:
            attributes["coinflow.payment_id"] = envelope.payment_id
        span = self._tracer.start_span("delivery", parent, SpanKind.SERVER, attributes)
        own: dict[str, str] = {}
        self._contexts.inject(own, set_span_in_context(span))
        try:
            yield own.get(TRACEPARENT)
        except Exception as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            span.end()

    def hurry(self) -> None:
        """Begin to send what there is; nobody waits for the end, before which the process may be killed."""
        threading.Thread(target=self._provider.force_flush, daemon=True).start()

    def close(self) -> None:
        """Send what is left, or as much of it as the time allows."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(FLUSH_TIME)
