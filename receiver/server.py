"""gunicorn's settings: `gunicorn -c python:receiver.server "receiver.app:get_app()"`."""

from gunicorn import glogging

from receiver.settings import Settings

_settings = Settings.load()
_settings.configure_logs()


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Leaves format and destination to the root logger, as every other library does."""

    def setup(self, _cfg: object) -> None:
        """Let gunicorn's lines through at the root's level."""
        self.error_log.propagate = True


logger_class = Logger
worker_class = "asgi"
bind = f"0.0.0.0:{_settings.port}"
workers = _settings.web_concurrency
# Seconds that Coinflow's connections may stay open for the next delivery; above the 90 of Heroku's router.
keepalive = 95
# A worker whose event loop stands still for so long is replaced.
timeout = 30
# Idle connections count, too, so every stop may take so long: as long as a request, and below the 5 seconds
# that honcho leaves between SIGTERM and SIGKILL.
graceful_timeout = 4
# Heroku's router is the only peer and states the real client in X-Forwarded-*.
forwarded_allow_ips = "*"
# No socket for remote control in a process that faces the internet.
control_socket_disable = True
