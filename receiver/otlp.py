"""The tally, told to an OpenTelemetry collector by OTLP; imported only where an endpoint is set.

A thread of the SDK's reads the tally every `OTEL_METRIC_EXPORT_INTERVAL` milliseconds, so no request waits
for it, and a collector that is away costs nothing but its numbers.
"""

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from celeryconfig import FLUSH_TIME
from receiver.settings import Settings
from receiver.tally import Tally, Totals


@dataclass(frozen=True, slots=True)
class Counter:
    """A total as the collector gets it."""

    name: str
    unit: str
    meaning: str
    observe: Callable[[Totals], Iterable[Observation]]

    def callback(self, tally: Tally) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """Return what the SDK asks for the total."""
        return lambda _options: self.observe(tally.totals())


#: `docs/reference/metrics.md` lists the same.
COUNTERS = (
    Counter(
        "coinflow.receiver.answers",
        "{answer}",
        "Answers by status; those with 200 are deliveries that were taken in",
        lambda now: [Observation(count, {"status": status}) for status, count in now.answers.items()],
    ),
    Counter(
        "coinflow.receiver.refusals",
        "{answer}",
        "Answers with another status than 200, by reason",
        lambda now: [Observation(count, {"reason": reason}) for reason, count in now.refusals.items()],
    ),
    Counter(
        "coinflow.receiver.hand_offs",
        "{message}",
        "Publishes that the broker has confirmed",
        lambda now: [Observation(now.hand_offs)],
    ),
    Counter(
        "coinflow.receiver.events",
        "{event}",
        "Events in these publishes",
        lambda now: [Observation(now.events)],
    ),
    Counter(
        "coinflow.receiver.hand_off_time",
        "s",
        "From the begin of these publishes to their confirms, added up",
        lambda now: [Observation(now.hand_off_seconds)],
    ),
)


class Export:
    """Tells the totals of a tally, from now until it is closed.

    Raises what the SDK does about its variables, mostly ValueError.
    """

    def __init__(self, tally: Tally, settings: Settings) -> None:
        name = settings.otel_service_name or "coinflow-receiver"
        # Each process counts for itself, and a collector must not take two of them for one.
        resource = Resource.create({"service.name": name, "service.instance.id": str(uuid.uuid4())})
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        self._provider = MeterProvider([reader], resource, shutdown_on_exit=False)
        meter = self._provider.get_meter("receiver")
        for counter in COUNTERS:
            meter.create_observable_counter(
                counter.name, [counter.callback(tally)], counter.unit, counter.meaning
            )

    def hurry(self) -> None:
        """Begin to tell what there is; nobody waits for the end, before which the process may be killed."""
        threading.Thread(target=self._provider.force_flush, daemon=True).start()

    def close(self) -> None:
        """Tell what is left, or as much of it as the time allows."""
        self._provider.shutdown(FLUSH_TIME * 1000)
