"""Tracing: what tasks tell of their work by spans; nothing, at no cost, unless an endpoint is set."""

from collections.abc import Iterable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from celery.signals import worker_process_shutdown, worker_shutdown

from celeryconfig import load_extra
from tasks.settings import Settings

_NOTHING = nullcontext()


class Tracing:
    """The spans of a process, if there are any."""

    def __init__(self) -> None:
        #: The module `tasks.spans`, and what of it makes them.
        self._module: Any = None
        self._spans: Any = None

    def begin(self, settings: Settings) -> None:
        """Make spans from now on, if the settings say so, also in the children of this process."""
        if settings.otel_exporter_otlp_endpoint is None:
            return
        self._module = load_extra("OTEL_EXPORTER_OTLP_ENDPOINT", "tasks.spans")
        if self._module:
            self._spans = self._module.Spans(settings)
            for end in (worker_process_shutdown, worker_shutdown):
                end.connect(self._close, weak=False)

    def span(
        self,
        name: str,
        kind: Literal["CONSUMER", "CLIENT"],
        *,
        parent: str | None = None,
        origins: Iterable[str] = (),
        **told: object,
    ) -> AbstractContextManager[object]:
        """Return what times a block; `parent` and `origins` are contexts, each a `traceparent`.

        What is told of it goes to whoever collects spans: ids, types and counts, and never what a buyer, a
        key or a body would be known by.
        """
        return self._spans.span(name, kind, parent, origins, told) if self._spans else _NOTHING

    def note(self, **told: object) -> None:
        """Tell more of the current span."""
        if self._spans:
            self._module.note(told)

    def fail(self, error: str) -> None:
        """Tell that what the current span times has failed, by the error's name."""
        if self._spans:
            self._module.fail(error)

    def traceparent(self) -> str | None:
        """Return the current span's context, for what goes on with its work elsewhere."""
        return self._module.traceparent() if self._spans else None

    def add_trace_id(self, _logger: object, _method: str, line: MutableMapping[str, Any]) -> Any:
        """Name the current span's trace in a line of the log."""
        if self._spans and (trace_id := self._module.trace_id()):
            line["trace_id"] = trace_id
        return line

    def _close(self, **_of_the_signal: object) -> None:
        self._spans.close()


#: This process's.
tracing = Tracing()
