"""The rules for Prometheus speak of what the process serves, are tested, and each has its page."""

import re
import shutil
import subprocess

import pytest

from tests.metrics import every_family
from tests.services import missing
from tests.stack import ROOT

pytestmark = pytest.mark.long

RULES = ROOT / "ops" / "alerts.yml"
TESTS = ROOT / "ops" / "alerts_test.yml"
PAGE = ROOT / "docs" / "how-to" / "watch-with-prometheus.md"
ALERTS = re.findall(r"^ +- alert: (\w+)$", RULES.read_text(), re.MULTILINE)
#: What Prometheus reads of a metric, by its type.
_ENDINGS = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}


def test_an_alert_names_only_what_the_process_serves() -> None:
    served = {family.name + ending for family in every_family() for ending in _ENDINGS[family.type]}
    for file in (RULES, TESTS):
        named = set(re.findall(r"coinflow_\w+", file.read_text()))
        assert named
        assert named <= served, file


def test_each_alert_is_seen_to_fire() -> None:
    fired = re.findall(r"alertname: (\w+)\n +exp_alerts:\n", TESTS.read_text())
    assert set(fired) == set(ALERTS)


def test_each_alert_has_a_section_that_says_what_to_do() -> None:
    assert re.findall(r"^## (\w+)$", PAGE.read_text(), re.MULTILINE) == ALERTS


def test_the_rules_fire_when_they_should() -> None:
    promtool = shutil.which("promtool") or missing("promtool is not installed (apt-get install prometheus)")
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(TESTS)]):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
