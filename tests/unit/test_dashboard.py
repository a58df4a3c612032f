"""`python -m tests.unit.test_dashboard` writes ops/dashboard.json, for Grafana, from the panels below."""

import json
import re
from typing import Any, NamedTuple

from tests.metrics import every_family
from tests.stack import ROOT

DASHBOARD = ROOT / "ops" / "dashboard.json"
_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 3


class Panel(NamedTuple):
    """A picture of one query."""

    title: str
    query: str
    legend: str = ""
    #: As Grafana calls it.
    unit: str = "short"


#: What a person on call looks at first comes first.
PANELS = [
    Panel("Oldest unfinished work", "coinflow_oldest_due_age_seconds", "{{kind}}", "s"),
    Panel("Since the last sweep", "coinflow_sweep_age_seconds", "{{sweep}}", "s"),
    Panel(
        "Since the last event",
        "time() - coinflow_last_event_timestamp_seconds",
        "event",
        "s",
    ),
    Panel("Messages that wait", "coinflow_queue_messages", "{{queue}}"),
    Panel("Readers of queues", "coinflow_queue_consumers", "{{queue}}"),
    Panel(
        "From receipt to grant",
        "histogram_quantile({quantile}, sum by (le) (rate(coinflow_grant_delay_seconds_bucket[5m])))",
        "{quantile}",
        "s",
    ),
    Panel(
        "Events per second",
        "sum by (event_type) (rate(coinflow_events_received_total[5m]))",
        "{{event_type}}",
        "ops",
    ),
    Panel("Grants per second", "rate(coinflow_grants_total[5m])", "granted", "ops"),
    Panel(
        "Moves of the ledger per second",
        "sum by (status) (rate(coinflow_ledger_entries_total[5m]))",
        "{{status}}",
        "ops",
    ),
    Panel(
        "Given up in an hour",
        "sum by (handler, error) (increase(coinflow_failures_total[1h]))",
        "{{handler}}: {{error}}",
    ),
    Panel("Dead letters", 'coinflow_dead_letters{state="dead"}', "{{handler}}: {{error}}"),
    Panel("Events by state", "sum by (state) (coinflow_events)", "{{state}}"),
    Panel("Notifications", "sum by (endpoint, state) (coinflow_notifications)", "{{endpoint}}: {{state}}"),
    Panel(
        "Notifications queued per second",
        "sum by (endpoint) (rate(coinflow_notifications_queued_total[5m]))",
        "{{endpoint}}",
        "ops",
    ),
    Panel("Endpoints that are not open", 'coinflow_endpoint_state{state!="open"}', "{{endpoint}}: {{state}}"),
    Panel("Endpoints that take nothing", "coinflow_endpoint_silent_seconds", "{{endpoint}}", "s"),
    Panel("Price list refused", "coinflow_price_list_refused", "refused"),
]


def dashboard() -> dict[str, Any]:
    """Return what Grafana imports; it asks which Prometheus to use."""
    return {
        "title": "Coinflow webhooks",
        "uid": "coinflow-webhooks",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": [_drawn(number, panel) for number, panel in enumerate(PANELS)],
    }


def _drawn(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    quantiles = ("0.5", "0.9", "0.99") if "{quantile}" in panel.query else ("",)
    return {
        "id": number + 1,
        "title": panel.title,
        "type": "timeseries",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "expr": panel.query.replace("{quantile}", quantile),
                "legendFormat": panel.legend.replace("{quantile}", quantile) if quantile else panel.legend,
            }
            for place, quantile in enumerate(quantiles)
        ],
    }


def _text() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


def test_the_dashboard_is_what_the_panels_say() -> None:
    assert DASHBOARD.read_text() == _text()


def test_the_dashboard_shows_every_metric_that_is_served_and_no_other() -> None:
    named = set(re.findall(r"coinflow_\w+", DASHBOARD.read_text()))
    shown = {re.sub(r"_(total|bucket)$", "", name) for name in named}
    assert shown == {family.name for family in every_family()}


if __name__ == "__main__":
    DASHBOARD.write_text(_text())
