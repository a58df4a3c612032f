"""The process `metrics` of the Procfile."""

import signal
import sys

import structlog

from tasks.celery import create_app
from tasks.metrics.collector import Coinflow
from tasks.metrics.server import MetricsServer
from tasks.serving_settings import MetricsSettings
from tasks.store.database import connect


def main() -> None:
    """Answer until SIGTERM or Ctrl-C."""
    settings = MetricsSettings.load()
    settings.configure_logs()
    engine = connect(settings.database_url.get_secret_value(), pooler=settings.database_pooler)
    collector = Coinflow(create_app(settings), engine, settings.catalog_path)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    address, port = settings.metrics_address, settings.metrics_port
    try:
        server = MetricsServer(address, port, collector)
    except OSError as error:
        raise SystemExit(
            f"METRICS_ADDRESS, METRICS_PORT: nobody can listen there: {error.strerror}."
        ) from None
    structlog.get_logger("tasks.metrics").info("metrics.listening", address=address, port=port)
    with server:
        server.serve_forever()


if __name__ == "__main__":
    main()
