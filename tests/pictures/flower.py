"""Flower's pages: what they show has happened in a shop of its own."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.purchases import buy
from tests.operator import Operator
from tests.pictures.camera import Camera
from tests.stack import Stack
from tests.waiting import wait_until


def draw(folder: Path, camera: Camera) -> None:
    """Sell something, and draw what Flower shows of it."""
    environment = {"FLOWER_UNAUTHENTICATED_API": "true"}
    with Stack(folder, environment) as stack, Operator(stack) as operator:
        address = f"http://127.0.0.1:{stack.flower_port}"
        stack.release()
        stack.start("web", "flower")
        # By its machine's name it would be called otherwise.
        stack.start_process("worker", "-n worker@shop")
        _sell(stack)
        camera.draw(f"{address}/tasks", "flower-tasks", 1600, 600)
        camera.draw(f"{address}/workers", "flower-workers", 1200, 500)
        operator.send("tasks.of_a_former_release", queue="events")
        wait_until(lambda: operator("list", "--error", "UnknownTask"), what="a dead message")
        stack.kill("worker")
        for wallet in ("gina", "hugo", "ines"):
            buy(stack, wallet)
        camera.draw(f"{address}/broker", "flower-broker", 1200, 560)


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
