"""Samples of Coinflow's events, changed."""

import json
from typing import Any

from tasks.coinflow.samples import apply, sample


def change(packet: dict[str, Any], **changes: Any) -> None:
    """Set fields of an event, named by paths with `__` in place of dots."""
    for path, value in changes.items():
        apply(packet, path.replace("__", "."), json.dumps(value))


def body(event_type: str = "Settled", **changes: Any) -> str:
    """Return the body of an event, changed as `change` does."""
    packet = sample(event_type)
    change(packet, **changes)
    return json.dumps(packet)
