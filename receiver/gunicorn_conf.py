"""gunicorn's settings: `gunicorn -c python:receiver.gunicorn_conf "receiver.app:get_app()"`."""

import gc

from gunicorn import glogging

from receiver.settings import Settings

_settings = Settings.load()
_settings.configure_logs()


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Leaves format and destination to the root logger, as every other library does."""

    #: Our own lines say more. gunicorn would work it out for each request, for it does so in its own `setup`.
    access_log_enabled = False

    def setup(self, _cfg: object) -> None:
        """Let gunicorn's lines through at the root's level."""
        self.error_log.propagate = True


logger_class = Logger
worker_class = "receiver.gunicorn_worker.Worker"
# Not what happens to be installed. The parser in C, gunicorn_h1c, takes a quarter less of the processor time,
# but gunicorn asks for 0.6.14, and an older one frames some bodies wrongly and answers 400 for 501. uvloop
# alone saves next to nothing.
http_parser = "python"
asgi_loop = "asyncio"
bind = f"0.0.0.0:{_settings.port}"
workers = _settings.web_concurrency
# Loaded before the fork, so that the processes share what that takes of memory. What tells a collector has
# threads, and a name for each process, so it is made in each.
preload_app = not _settings.otel_exporter_otlp_endpoint
# Nobody reads what a proxy says of the way that a request came by, so nothing can be wrong with it: gunicorn
# would refuse a delivery in which two such headers contradict each other.
forwarded_allow_ips = ""
# Per process, and each may hold a body of MAX_BODY_BYTES. Two processes do not share connections evenly.
worker_connections = 2000
# Bytes and lines: plenty for Coinflow and a router before us. A Content-Length of more than the 4,300 digits
# that Python reads as a number would be an exception in gunicorn; no field is long enough for it.
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 4096
# Seconds that Coinflow's connections may stay open for the next delivery; above the 90 of Heroku's router.
keepalive = 95
# A worker whose event loop stands still for so long is replaced.
timeout = 30
# Idle connections count, too, so every stop may take so long: as long as a request, and below the 5 seconds
# that `make run` leaves between SIGTERM and SIGKILL.
graceful_timeout = 4
# No socket for remote control in a process that faces the internet.
control_socket_disable = True


def when_ready(_server: object) -> None:
    """Keep the garbage collector from what the processes are to share: to look at it is to write to it."""
    gc.collect()
    gc.freeze()


def post_worker_init(_worker: object) -> None:
    """Let the garbage collector look seldom, and only at what requests leave: it took a tenth of all work."""
    # What was loaded stays. The default of 700 objects is reached within a dozen requests.
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
