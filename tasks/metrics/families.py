"""The metrics, each with its name, its labels and what it means."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from tasks.metrics.queues import QueueState
from tasks.store.counting import CLASSES
from tasks.store.runs import FULFILMENT, ORDERS
from tasks.store.sweeps import RECOVERY
from tasks.store.views.metrics import Labels, Snapshot


def of_database(found: Snapshot) -> Iterator[Metric]:
    """Return what the database tells."""
    yield from _events(found)
    yield from _grants(found)
    yield from _failures(found)
    yield from _notifications(found)
    yield from _times(found)


def of_queues(states: Iterable[QueueState]) -> Iterator[Metric]:
    """Return what the broker tells."""
    messages: dict[Labels, float] = {(state.name,): state.messages for state in states}
    yield _gauge("queue_messages", "Messages that wait in a queue.", ("queue",), messages)
    consumers: dict[Labels, float] = {
        (state.name,): state.consumers for state in states if state.consumers is not None
    }
    yield _gauge("queue_consumers", "Readers of a queue; Redis does not tell.", ("queue",), consumers)


def of_price_list(*, is_refused: bool) -> Metric:
    """Return whether the price list's file could be sold by."""
    about = "1 while a worker would refuse the file that CATALOG_PATH names."
    return _gauge("price_list_refused", about, (), {(): float(is_refused)})


def _events(found: Snapshot) -> Iterator[Metric]:
    about = "Events in the log by what has become of them."
    yield _gauge("events", about, ("event_type", "state"), found.events)
    received = found.totals.get("events", {})
    yield _counter("events_received", "Events stored.", ("event_type",), received)


def _grants(found: Snapshot) -> Iterator[Metric]:
    entries = found.totals.get("ledger_entries", {})
    yield _counter("ledger_entries", "Moves of the ledger.", ("status",), entries)
    grants = {(): 0.0, **found.totals.get("grants", {})}
    yield _counter("grants", "Items granted for the first time.", (), grants)
    yield _delays(found)


def _failures(found: Snapshot) -> Iterator[Metric]:
    about = "Times that a handler gave an event up for good; those of fulfilment are refusals."
    yield _counter("failures", about, ("handler", "error"), found.totals.get("failures", {}))
    about = "Dead letters by handler, error and state."
    yield _gauge("dead_letters", about, ("handler", "error", "state"), found.dead_letters)


def _notifications(found: Snapshot) -> Iterator[Metric]:
    about = "Notifications by what has become of them."
    yield _gauge("notifications", about, ("endpoint", "state"), found.notifications)
    queued = found.totals.get("notifications", {})
    yield _counter("notifications_queued", "Notifications to be told.", ("endpoint",), queued)
    about = "1 for the state that an endpoint is in."
    states: dict[Labels, float] = dict.fromkeys(found.endpoints.items(), 1.0)
    yield _gauge("endpoint_state", about, ("endpoint", "state"), states)
    about = "Seconds since an endpoint has last taken something, where its tries fail; or 0."
    silence: dict[Labels, float] = {
        (name,): _age(found.now, found.silent.get(name, found.now)) for name in found.endpoints
    }
    yield _gauge("endpoint_silent_seconds", about, ("endpoint",), silence)


def _times(found: Snapshot) -> Iterator[Metric]:
    ages = dict.fromkeys(("fulfilment", "orders", "handlers", "notifications"), 0.0)
    for handler, since in found.unfinished.items():
        kind = {FULFILMENT: "fulfilment", ORDERS: "orders"}.get(handler, "handlers")
        ages[kind] = max(ages[kind], _age(found.now, since))
    if found.notification_due_at:
        ages["notifications"] = _age(found.now, found.notification_due_at)
    yield _gauge(
        "oldest_due_age_seconds",
        "Age of the oldest work that is due and not done; 0 where there is none.",
        ("kind",),
        {(kind,): age for kind, age in ages.items()},
    )
    sweeps: dict[Labels, float] = {
        (name,): _age(found.now, began_at) for name, began_at in found.sweeps.items()
    }
    yield _gauge(
        "sweep_age_seconds",
        "Seconds since a worker has last handled a sweep; +Inf where none ever was.",
        ("sweep",),
        {(RECOVERY,): math.inf} | sweeps,
    )
    yield _gauge(
        "last_event_timestamp_seconds",
        "When the event came that came last, in seconds since 1970.",
        (),
        {(): found.last_event_at.timestamp()} if found.last_event_at else {},
    )


def _age(now: datetime, since: datetime) -> float:
    return max(now - since, timedelta()).total_seconds()


def _delays(found: Snapshot) -> Metric:
    counted, total = found.totals.get("grant_delays", {}), 0.0
    buckets = []
    for most in CLASSES:
        total += counted.get((most,), 0)
        buckets.append((most, total))
    return HistogramMetricFamily(
        "coinflow_grant_delay_seconds",
        "Time from the receipt of the event that brought it about to a grant.",
        buckets=buckets,
        sum_value=found.totals.get("grant_delay_sum", {}).get((), 0.0),
    )


def _gauge(name: str, about: str, labels: tuple[str, ...], values: Mapping[Labels, float]) -> Metric:
    return _filled(GaugeMetricFamily(f"coinflow_{name}", about, labels=labels), values)


def _counter(name: str, about: str, labels: tuple[str, ...], values: Mapping[Labels, float]) -> Metric:
    return _filled(CounterMetricFamily(f"coinflow_{name}", about, labels=labels), values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[Labels, float]) -> Metric:
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family
