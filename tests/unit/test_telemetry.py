"""What is not asked for is not even imported; what is asked for and not installed stops nobody."""

import json
import os
import socket
import subprocess
import sys

import pytest

from celeryconfig import FLUSH_TIME
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
