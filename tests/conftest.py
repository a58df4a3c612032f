"""Shared set-up: no test sees the developer's environment or `.env`."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.services import SharedRabbitMQ

#: Names of the contract that would lead a test to somebody's real servers, or let it count otherwise.
_NAMES = (
    "ALLOW_EMBEDDED",
    "ALLOW_LOSSY_BROKER",
    "BROKER_PREFIX",
    "BROKER_URL",
    "CATALOG_PATH",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_URL",
    "CELERY_BROKER_WRITE_URL",
    "CLOUDAMQP_URL",
    "COINFLOW_API_KEY",
    "COINFLOW_MERCHANT_IDS",
    "COINFLOW_REQUIRE_SIGNATURE",
    "COINFLOW_SIGNATURE_TOLERANCE",
    "COINFLOW_VALIDATION_KEY",
    "DATABASE_POOLER",
    "DATABASE_URL",
    "DEFAULT_CURRENCY",
    "EMBEDDED_BROKER_PATH",
    "ENVIRONMENT",
    "EVENT_RETENTION_DAYS",
    "FLOWER_ADDRESS",
    "FLOWER_BASIC_AUTH",
    "FLOWER_HOSTS",
    "HANDLERS",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "MAX_BODY_BYTES",
    "METRICS_ADDRESS",
    "PORT",
    "RABBITMQ_URL",
    "REDIS_URL",
    "WEBHOOK_PATH",
    "WEB_CONCURRENCY",
    "WORKER_CONCURRENCY",
)

# Commands that run inside a test have standard output to themselves.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))

# Before any test module is imported: celeryconfig reads the environment when it is.
os.environ["PYTHON_DOTENV_DISABLED"] = "1"
_GROUPS = ("NOTIFY_", "OTEL_", "SENTRY_")
for _name in (*_NAMES, *(each for each in os.environ if each.startswith(_GROUPS))):
    os.environ.pop(_name, None)

# The tests' databases lie behind a pooler then.
if os.environ.get("TEST_DATABASE_POOLER"):
    os.environ["DATABASE_POOLER"] = "true"

# Whoever starts the tests by `nohup`, or in the background of a script, would have all that they start ignore
# a terminal that closes, or Ctrl-C.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The tests start more than a hundred processes: what one of them has compiled is there for the next.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Beside other work an example may take any time, and making it up, too: how long is not what is tested. Every
# run tries examples of its own, also where `CI` would have hypothesis try the same ones each time.
settings.register_profile(
    "patient", deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRabbitMQ]:
    """Return a node on which a test may have a virtual host; one that stops the node runs its own."""
    with SharedRabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as shared:
        yield shared
