"""What the server of metrics answers to whom."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tasks.metrics import server as servers
from tasks.metrics.server import MetricsServer
from tests.metrics import every_family


class Told(Collector):
    """Tells what a function returns."""

    def __init__(self, tell: Callable[[], Iterable[Metric]]) -> None:
        self._tell = tell

    def collect(self) -> Iterable[Metric]:
        return self._tell()


@contextmanager
def serving(tell: Callable[[], Iterable[Metric]]) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Serve what a function returns; return what asks for a path, and returns status, type and text."""
    with MetricsServer("127.0.0.1", 0, Told(tell)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def get(path: str = "/metrics", **headers: str) -> tuple[int, str, str]:
            address = f"http://127.0.0.1:{server.server_address[1]}{path}"
            try:
                with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
                    return answer.status, answer.headers["Content-Type"], answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.headers["Content-Type"], error.read().decode()

        try:
            yield get
        finally:
            server.shutdown()
            thread.join()


def gauge() -> Iterable[Metric]:
    return [GaugeMetricFamily("coinflow_one", "One.", value=1)]


def test_metrics_have_one_path() -> None:
    with serving(gauge) as get:
        assert get()[0] == get("/metrics?name=x")[0] == 200
        for path in ("/", "/metric", "/metrics/", "/webhooks/coinflow"):
            assert get(path)[0] == 404
        assert "coinflow_one 1.0\n" in get()[2]


def test_a_client_that_reads_openmetrics_gets_it() -> None:
    with serving(every_family) as get:
        _, kind, text = get(Accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    read: Any = text_string_to_metric_families
    assert len(list(read(text))) == len(every_family())


def test_what_fails_halfway_is_an_error_alone() -> None:
    def tell() -> Iterator[Metric]:
        yield from gauge()
        raise ConnectionError("The broker is away.")

    with serving(tell) as get:
        assert get() == (503, "text/plain; charset=utf-8", "ConnectionError: The broker is away.\n")


def test_who_asks_while_another_waits_for_a_silent_database_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servers, "_PATIENCE", 0.1)
    waits, speaks = threading.Event(), threading.Event()

    def tell() -> Iterable[Metric]:
        waits.set()
        speaks.wait()
        return gauge()

    with ThreadPoolExecutor() as others, serving(tell) as get:
        first = others.submit(get)
        try:
            waits.wait()
            status, _, text = get()
        finally:
            speaks.set()
        assert (status, first.result()[0]) == (503, 200)
        assert "silent" in text
        assert get()[0] == 200
