"""The panels of ops/dashboard.json, drawn without Grafana from what Prometheus hears of a shop of its own.

The shop has bad minutes, so that lines rise and fall, and rates are of half a minute instead of five.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.notified_server import NotifiedServer
from tests.operator import Operator
from tests.pictures.camera import Camera
from tests.pictures.panels import page
from tests.pictures.plot import STEP, Line
from tests.services import Prometheus, prometheus
from tests.stack import ROOT, Stack

DASHBOARD = ROOT / "ops" / "dashboard.json"
#: Seconds that are shown, and as many before that as the rates take.
_SHOWN, _BEFORE = 300, 35
_WINDOW, _SHORT = "[5m]", "[30s]"


def draw(folder: Path, camera: Camera) -> None:
    """Let a shop have its bad minutes, and draw the dashboard of them."""
    catalog = folder / "catalog.toml"
    shutil.copy2(ROOT / "catalog.toml", catalog)
    with NotifiedServer() as server:
        environment = {
            "CATALOG_PATH": str(catalog),
            "NOTIFY_URL": server.url,
            "NOTIFY_SECRET": server.secret,
        }
        with (
            Stack(folder, environment) as stack,
            Operator(stack) as operator,
            prometheus(folder, stack.metrics_port) as heard,
        ):
            stack.release()
            stack.start("web", "worker", "notify", "beat", "metrics")
            prices = catalog.read_text()
            begin = _live(
                stack,
                {
                    40: lambda: operator.send("tasks.of_a_former_release", queue="events"),
                    60: lambda: stack.kill("worker"),
                    100: lambda: stack.start_process("worker"),
                    130: lambda: stack.kill("notify"),
                    165: lambda: stack.start_process("notify"),
                    190: server.go_away,
                    220: server.come_back,
                    250: lambda: catalog.write_text("[items.sword]\n"),
                    275: lambda: catalog.write_text(prices),
                },
            )
            _draw(folder, camera, heard, begin)


def _live(stack: Stack, story: dict[int, Callable[[], object]]) -> float:
    """Sell, and let happen what the story says of each second; return when its second 0 was."""
    random = Random(1)
    begin = time.time() + _BEFORE
    for second in range(-_BEFORE, _SHOWN):
        story.get(second, bool)()
        for number in range(random.choice((0, 1, 1, 2))):
            _sell(stack, f"pay-{second}-{number}", random)
        if second % 25 == 0:
            _pay(stack, f"cheap-{second}", "--item", "sword", "--cents", "1")
        if second % 70 == 0:
            _pay(stack, f"unknown-{second}", "--item", "axe", "--cents", "500")
        time.sleep(max(0.0, begin + second + 1 - time.time()))
    return begin


def _sell(stack: Stack, payment_id: str, random: Random) -> None:
    """Sell a sword, which some buyers want to give back."""
    named = ("--payment-id", payment_id, "--item", "sword", "--cents", "500")
    stack.trigger("Card Payment Authorized", *named)
    _pay(stack, payment_id, *named)
    after = random.choice(("Refund", "Card Payment Chargeback Opened", *[""] * 8))
    if after:
        stack.trigger(after, *named)


def _pay(stack: Stack, payment_id: str, *options: str) -> None:
    stack.trigger("Settled", "--payment-id", payment_id, "--wallet", "alice", *options)


def _draw(folder: Path, camera: Camera, heard: Prometheus, begin: float) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    picture = folder / "dashboard.svg"
    text, width, height = page([(panel, _lines(panel, heard, begin)) for panel in panels], _SHOWN)
    picture.write_text(text)
    camera.draw(picture.as_uri(), "dashboard", width, height)


def _lines(panel: dict[str, Any], heard: Prometheus, begin: float) -> list[Line]:
    """Ask what Grafana would ask."""
    return [
        Line.of(series, target["legendFormat"], begin)
        for target in panel["targets"]
        for series in heard.range(target["expr"].replace(_WINDOW, _SHORT), begin, begin + _SHOWN, STEP)
    ]
