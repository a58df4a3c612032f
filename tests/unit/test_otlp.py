"""What the receiver counts reaches a collector, over HTTP, in the words of OpenTelemetry's protocol."""

import time

import pytest

from receiver.otlp import Export
from receiver.settings import Settings
from receiver.tally import Tally
from tests.collector import Collector
from tests.services import free_port
from tests.waiting import wait_until


def test_totals_go_to_the_collector_when_asked_for_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", "key")
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tally = Tally()
        export = Export(tally, Settings.load())
        tally.refuse(401, "wrong_key")
        export.hurry()
        wait_until(lambda: collector.totals, what="the collector has totals")
        assert collector.totals["coinflow.receiver.refusals"] == {"wrong_key": 1}
        tally.refuse(400, "not_json")
        tally.refuse(401, "wrong_key")
        tally.hand_off(events=3, answered=2, seconds=0.25)
        export.close()
        assert collector.totals == {
            "coinflow.receiver.answers": {"200": 2, "400": 1, "401": 2},
            "coinflow.receiver.refusals": {"wrong_key": 2, "not_json": 1},
            "coinflow.receiver.hand_offs": {"": 1},
            "coinflow.receiver.events": {"": 3},
            "coinflow.receiver.hand_off_time": {"": 0.25},
        }


def test_a_collector_that_is_away_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", "key")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr("receiver.otlp.FLUSH_TIME", 0.2)
    tally = Tally()
    export = Export(tally, Settings.load())
    tally.refuse(401, "wrong_key")
    began = time.monotonic()
    export.hurry()
    export.close()
    # The SDK would try for ten seconds.
    assert time.monotonic() - began < 5
