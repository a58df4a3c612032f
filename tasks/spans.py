"""OpenTelemetry's spans of what tasks do. `tasks.tracing` alone imports it, where an endpoint is set."""

import os
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    StatusCode,
    Tracer,
    format_trace_id,
    get_current_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from celeryconfig import FLUSH_TIME, SHOWN_ID, TRACEPARENT
from tasks.settings import Settings

#: Events to which a run may refer: eight messages of the receiver's largest groups are run as one.
_MOST_LINKS = 4_000
#: Values of a list that a span tells, and characters of each.
_MOST_VALUES = 50
_LONGEST = 100

_contexts = TraceContextTextMapPropagator()


class Spans:
    """Makes spans; a thread of each process's own sends them, so that no task waits for a collector.

    Raises what the SDK does about its variables, mostly ValueError.
    """

    def __init__(self, settings: Settings) -> None:
        self._service = settings.otel_service_name or "coinflow-worker"
        self._delay = settings.otel_bsp_schedule_delay
        self._providers: dict[int, TracerProvider] = {}
        self._making = threading.Lock()
        # What the SDK refuses, it refuses here, and not in the middle of a task.
        self._provider().shutdown()

    def span(
        self, name: str, kind: str, parent: str | None, origins: Iterable[str], told: Mapping[str, object]
    ) -> AbstractContextManager[object]:
        """Return what times a block, as the current span.

        `parent` is the context, as a `traceparent`, that it goes on; without one it begins a trace. `origins`
        are those of what brought it about.
        """
        origin_contexts = (_context_of(_contexts_from(each)) for each in origins)
        return self._tracer().start_as_current_span(
            name,
            _contexts_from(parent),
            SpanKind[kind],
            _attributes(told),
            [Link(each) for each in origin_contexts if each.is_valid],
            # What an error says may quote anything.
            record_exception=False,
            set_status_on_exception=False,
        )

    def close(self) -> None:
        """Send what this process has left, or as much of it as the time allows."""
        if provider := self._providers.pop(os.getpid(), None):
            sending = threading.Thread(target=provider.shutdown, daemon=True)
            sending.start()
            sending.join(FLUSH_TIME)

    def _tracer(self) -> Tracer:
        # Threads do not survive a fork, so each child of a worker has its own.
        with self._making:
            provider = self._providers.get(os.getpid()) or self._provider()
            self._providers[os.getpid()] = provider
        return provider.get_tracer("tasks")

    def _provider(self) -> TracerProvider:
        provider = TracerProvider(
            resource=Resource.create({"service.name": self._service}),
            span_limits=SpanLimits(max_links=_MOST_LINKS),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=self._delay))
        return provider


def note(told: Mapping[str, object]) -> None:
    """Add to what the current span tells."""
    get_current_span().set_attributes(_attributes(told))


def fail(error: str) -> None:
    """Note that what the current span times has failed, and the error's name."""
    span = get_current_span()
    span.set_status(StatusCode.ERROR, error)
    span.set_attribute("error.type", error)


def traceparent() -> str | None:
    """Return the current span's context, if there is one."""
    carrier: dict[str, str] = {}
    _contexts.inject(carrier)
    return carrier.get(TRACEPARENT)


def trace_id() -> str | None:
    """Return the current span's trace, if there is one, as others show it."""
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


def _contexts_from(written: str | None) -> Context:
    return _contexts.extract({TRACEPARENT: written} if written else {})


def _context_of(context: Context) -> SpanContext:
    return get_current_span(context).get_span_context()


def _attributes(told: Mapping[str, object]) -> dict[str, str | int | list[str]]:
    shown = {name: _shown(name, value) for name, value in told.items()}
    return {f"coinflow.{name}": _value(value) for name, value in shown.items() if value is not None}


def _shown(name: str, value: object) -> object:
    """Leave out what stands in an id's place and is none."""
    if name.endswith("_id"):
        return value if SHOWN_ID.fullmatch(str(value)) else None
    if name.endswith("_ids") and isinstance(value, Collection):
        return [each for each in value if SHOWN_ID.fullmatch(str(each))]
    return value


def _value(value: object) -> str | int | list[str]:
    if isinstance(value, int):
        return value
    if isinstance(value, Collection) and not isinstance(value, str):
        return [str(each)[:_LONGEST] for each in sorted(value)[:_MOST_VALUES]]
    return str(value)[:_LONGEST]
