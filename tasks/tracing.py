"""Tracing: what tasks tell of their work by spans; nothing, at no cost, unless an endpoint is set."""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_shutdown, worker_shutdown

from celeryconfig import load_extra, make_extra
from tasks.settings import Settings

_log = structlog.get_logger(__name__)

_NOTHING = nullcontext()


class Tracing:
    """The spans of a process, if there are any. What goes wrong with them is told once, and stops no work."""

    def __init__(self) -> None:
        #: The module `tasks.spans`, and what of it makes them.
        self._module: Any = None
        self._spans: Any = None
        self._has_failed = False

    def begin(self, settings: Settings) -> None:
        """Make spans from now on, if the settings say so, also in the children of this process."""
        if settings.otel_exporter_otlp_endpoint is None:
            return
        self._module = load_extra("OTEL_EXPORTER_OTLP_ENDPOINT", "tasks.spans")
        if self._module:
            self._spans = make_extra(self._module.Spans, settings)
        if self._spans:
            for end in (worker_process_shutdown, worker_shutdown):
                end.connect(self._close, weak=False)

    def span(
        self,
        name: str,
        kind: Literal["CONSUMER", "CLIENT"],
        *,
        parent: str | None = None,
        origins: Callable[[], Iterable[str]] = tuple,
        **told: object,
    ) -> AbstractContextManager[object]:
        """Return what times a block; `parent` is a context, a `traceparent`, and `origins` returns such.

        What is told of it goes to whoever collects spans: ids, types and counts, and never what a buyer, a
        key or a body would be known by.
        """
        if not self._spans:
            return _NOTHING
        return self._guarded(lambda: self._spans.span(name, kind, parent, origins(), told))

    def note(self, **told: object) -> None:
        """Tell more of the current span."""
        if self._spans:
            with self._harmless():
                self._module.note(told)

    def fail(self, error: str) -> None:
        """Tell that what the current span times has failed, by the error's name."""
        if self._spans:
            with self._harmless():
                self._module.fail(error)

    def traceparent(self) -> str | None:
        """Return the current span's context, for what goes on with its work elsewhere."""
        context: str | None = None
        if self._spans:
            with self._harmless():
                context = self._module.traceparent()
        return context

    def add_trace_id(self, _logger: object, _method: str, line: MutableMapping[str, Any]) -> Any:
        """Name the current span's trace in a line of the log."""
        if self._spans and (trace_id := self._module.trace_id()):
            line["trace_id"] = trace_id
        return line

    @contextmanager
    def _guarded(self, make: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
        span = ExitStack()
        with self._harmless():
            span.enter_context(make())
        try:
            yield
        finally:
            with self._harmless():
                span.close()

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except SoftTimeLimitExceeded:
            # It comes from anywhere, and is the task's.
            raise
        except Exception as error:  # noqa: BLE001  # nobody's payment waits for spans, whatever is wrong
            if not self._has_failed:
                self._has_failed = True
                _log.warning("spans.failed", error=type(error).__name__)

    def _close(self, **_of_the_signal: object) -> None:
        self._spans.close()


#: This process's.
tracing = Tracing()
