"""A receiver that fails at a delivery in a way that nobody foresaw, and says all that it was given.

Standard input is the delivery's body.
"""

import logging
import sys
from typing import Any

import structlog
from falcon.testing import TestClient

from celeryconfig import application_marks
from receiver import webhooks
from receiver.app import create_app
from receiver.broker import Broker
from receiver.settings import Settings


def fail(body: bytes) -> Any:
    """Quote the body."""
    # What the SDK says when a collector is away.
    logging.getLogger("opentelemetry.exporter.otlp.proto.http").error("Failed to export")
    structlog.get_logger(__name__).error("delivery.broken", body=body.decode())
    raise LookupError(body)


if __name__ == "__main__":
    settings = Settings.load()
    settings.configure_logs()
    setattr(webhooks, "read_envelope", fail)  # noqa: B010  # a type checker would want the true signature
    client = TestClient(create_app(settings, Broker(application_marks(settings.validation_keys))))
    key = settings.validation_keys[0].get_secret_value()
    answer = client.simulate_post(
        settings.webhook_path, body=sys.stdin.buffer.read(), headers={"Authorization": key}
    )
    raise SystemExit(answer.status_code != 500)
