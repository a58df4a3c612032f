"""What is not asked for is not even imported; what is asked for and not installed stops nobody."""

import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

import tasks.spans
from celeryconfig import FLUSH_TIME
from tasks.pipeline.intake import store_events
from tasks.settings import Settings
from tasks.spans import Spans
from tasks.tracing import Tracing, tracing
from tests.collector import Collector

#: Loads both sides as their processes do, and says what is there then.
LOAD = """
import json, sys
for absent in sys.argv[1:]:
    sys.modules[absent] = None
from receiver import gunicorn_conf
from receiver.app import get_app
get_app()
from tasks.celery import app
app.log.setup()
# The client of Redis looks for the rest of OpenTelemetry by itself.
theirs = {"opentelemetry.exporter", "sentry_sdk"}
print(json.dumps({"there": sorted(theirs & {name for name, module in sys.modules.items() if module})}))
"""
#: Makes spans of tasks, says how long it takes to send what is left, and ends.
SPANS = """
import sys, time
from tasks.settings import Settings
from tasks.spans import Spans
settings = Settings.load()
settings.configure_logs()
spans = Spans(settings)
origins = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 1001)]
with spans.span("many", "CONSUMER", "nonsense", [*origins, "", "00-zz"], {}):
    pass
began = time.monotonic()
spans.close()
print(time.monotonic() - began)
"""
ASKED = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "SENTRY_DSN": "http://public@127.0.0.1:9/1",
}


def load(*absent: str, **environment: str) -> list[dict[str, object]]:
    """Return what both sides say when they are loaded without some packages, and what is there then."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *absent],
        env=os.environ | {"COINFLOW_VALIDATION_KEY": "key"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nothing_is_imported_that_nobody_asks_for() -> None:
    assert load() == [{"there": []}]
    # What looked for them would fail, or say that they are missing.
    assert load("opentelemetry", "sentry_sdk") == [{"there": []}]


def test_what_is_asked_for_is_there() -> None:
    assert load(**ASKED) == [{"there": ["opentelemetry.exporter", "sentry_sdk"]}]


@pytest.mark.parametrize(
    ("variable", "package"), [("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry"), ("SENTRY_DSN", "sentry_sdk")]
)
def test_what_is_not_installed_is_told_once_by_each_process_and_stops_none(
    variable: str, package: str
) -> None:
    *lines, there = load(package, **{variable: ASKED[variable]})
    assert there == {"there": []}
    assert [(line["event"], line["variable"]) for line in lines] == [("extra.missing", variable)] * 2
    assert all("requirements-telemetry.txt" in str(line["next_step"]) for line in lines)


@pytest.mark.parametrize(
    ("variable", "value", "refused_by"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "256", 2),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "-1", 2),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", 1),
    ],
)
def test_a_variable_that_the_sdk_refuses_is_told_at_the_start_and_stops_nothing(
    variable: str, value: str, refused_by: int
) -> None:
    *lines, _there = load(**{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", variable: value})
    assert [(line["event"], line["error"]) for line in lines] == [
        ("extra.refused", "ValueError")
    ] * refused_by
    assert all("OTEL_" in str(line["next_step"]) for line in lines)


def make_spans(url: str, **environment: str) -> tuple[float, str]:
    """Make spans in a process that ends at once; return the seconds that sending them took, and the log."""
    done = subprocess.run(
        [sys.executable, "-c", SPANS],
        env=os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": url} | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    log, _, seconds = done.stdout.rstrip().rpartition("\n")
    return float(seconds), log


@pytest.mark.parametrize("headers", ["hidden words", "api-key=a%0Ahidden"])
def test_a_malformed_header_is_told_and_not_shown(headers: str) -> None:
    with Collector() as collector:
        _, log = make_spans(collector.url, OTEL_EXPORTER_OTLP_HEADERS=headers)
    assert "OTEL_EXPORTER_OTLP_HEADERS" in log
    assert "hidden" not in log


class Broken:
    """Spans that fail, whatever is asked of them."""

    def __getattr__(self, name: str) -> object:
        raise LookupError(name)


def test_spans_that_fail_stop_no_work_and_are_told_once() -> None:
    tracing = Tracing()
    for part in ("_module", "_spans"):
        setattr(tracing, part, Broken())
    with capture_logs() as lines:
        with tracing.span("task", "CONSUMER"):
            tracing.note(events=1)
            tracing.fail("LookupError")
            assert tracing.traceparent() is None
        with pytest.raises(ArithmeticError), tracing.span("task", "CONSUMER"):
            raise ArithmeticError
    assert [(line["event"], line["error"]) for line in lines] == [("spans.failed", "LookupError")]


@pytest.mark.parametrize("deliveries", [7, [7, {"traceparent": 5}]])
def test_what_is_no_event_fails_where_the_policy_sees_it(
    monkeypatch: pytest.MonkeyPatch, deliveries: Any
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    spans = Spans(Settings.load())
    monkeypatch.setattr(tracing, "_module", tasks.spans)
    monkeypatch.setattr(tracing, "_spans", spans)
    met: list[object] = []
    monkeypatch.setattr(store_events, "_run", lambda *args: met.extend(args))
    store_events(deliveries)
    assert met == [deliveries]
    monkeypatch.undo()
    spans.close()


def test_what_is_no_id_is_not_told() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("task"):
        tasks.spans.note({"payment_ids": ["pay-1", "alice@example.com"], "payment_id": "Alice Miller"})
        tasks.spans.note({"event_type": "Card Payment Declined", "task_id": "7c-1"})
    (span,) = exporter.get_finished_spans()
    assert span.attributes == {
        "coinflow.payment_ids": ("pay-1",),
        "coinflow.event_type": "Card Payment Declined",
        "coinflow.task_id": "7c-1",
    }


def test_a_run_refers_to_all_that_it_came_from_and_to_nothing_that_is_malformed() -> None:
    with Collector() as collector:
        make_spans(collector.url)
        (span,) = collector.spans
    assert len(span.links) == 1000
    assert span.parent == ""


def test_a_collector_that_does_not_answer_holds_no_process_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seconds, _log = make_spans(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert seconds < FLUSH_TIME + 3
