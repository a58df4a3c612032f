"""`make pictures` draws Flower's pages for the docs: what they show has happened in a shop of its own.

They are drawn by hand, where Flower has another look or the docs another need, and compared with nothing.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.acceptance.purchases import buy
from tests.operator import Operator
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

FOLDER = ROOT / "docs" / "pictures"
#: What Debian and others call it.
_NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Milliseconds of a page's own time in which it asks for what it shows.
_SETTLES = 3_000


class Camera(NamedTuple):
    """Draws Flower's pages."""

    browser: str
    stack: Stack

    def draw(self, page: str, width: int, height: int) -> None:
        """Write a picture of a page."""
        picture = FOLDER / f"flower-{page}.png"
        options = [
            "--headless",
            # root has no sandbox, and the page is our own.
            "--no-sandbox",
            "--hide-scrollbars",
            f"--user-data-dir={self.stack.folder}/browser",
            f"--window-size={width},{height}",
            f"--virtual-time-budget={_SETTLES}",
            f"--screenshot={picture}",
        ]
        address = f"http://127.0.0.1:{self.stack.flower_port}/{page}"
        subprocess.run([self.browser, *options, address], check=True, capture_output=True, timeout=120)
        sys.stdout.write(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB\n")


def main() -> None:
    """Sell something, and draw what Flower shows of it."""
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None:
        raise SystemExit("Chromium draws the pictures. On Debian: apt-get install chromium")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        environment = {"FLOWER_UNAUTHENTICATED_API": "true"}
        with Stack(Path(folder), environment) as stack, Operator(stack) as operator:
            stack.release()
            stack.start("web", "flower")
            # By its machine's name it would be called otherwise.
            stack.start_process("worker", "-n worker@shop")
            camera = Camera(browser, stack)
            _sell(stack)
            camera.draw("tasks", 1600, 600)
            camera.draw("workers", 1200, 500)
            operator.send("tasks.of_a_former_release", queue="events")
            wait_until(lambda: operator("list", "--error", "UnknownTask"), what="a dead message")
            stack.kill("worker")
            for wallet in ("gina", "hugo", "ines"):
                buy(stack, wallet)
            camera.draw("broker", 1200, 560)


def _sell(stack: Stack) -> None:
    """Sell until Flower hears of it; then have a purchase of each kind shown apart from others."""
    _until_shown(stack, "", lambda: buy(stack, "alice"))
    buy(stack, "bob")
    # Flower's table would cut the reason off behind the UUID of a real payment.
    buy(stack, "mallory", "--payment-id", "mallory-1", "--cents", "1")
    _until_shown(stack, "refused mallory-1: PriceMismatch")
    buy(stack, "carol", "--payment-id", "carol-1", "--set", "data.subtotal.cents=five")
    _until_shown(stack, "refused carol-1: PayloadInvalid")


def _until_shown(stack: Stack, text: str, act: Callable[[], Any] = bool) -> None:
    """Act until the result of a task that is through has a text."""

    def shown() -> bool:
        act()
        return any(text in (each["result"] or "") for each in _tasks(stack) if each["state"] == "SUCCESS")

    wait_until(shown, what=f"Flower shows {text!r}", log=lambda: stack.log("flower"))


def _tasks(stack: Stack) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{stack.flower_port}/api/tasks", timeout=5) as answer:
            return list(json.load(answer).values())
    except OSError:
        return []


if __name__ == "__main__":
    main()
