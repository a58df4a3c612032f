"""What the log says of an outage: Celery, kombu and Flower call an error what they wait out by themselves.

An error asks for a person. Each of our processes outlives an outage of its broker without one, so it is a
warning, in a line and without a traceback. What nobody foresaw stays an error.
"""

import logging
from collections.abc import Callable, Mapping

from tasks.worker.kinds import Kind
from tasks.worker.retries import kind

_WORKER = "celery.worker.consumer.consumer"
_BEATS_SEND = ("celery.beat", "Message Error: %s\n%s")

#: What is said of outages alone, by logger and template.
_OUTAGES = frozenset(
    {
        # The worker tries again, without end (`broker_connection_max_retries`).
        (_WORKER, "consumer: Cannot connect to %s: %s.\n%s\n"),
        # Its broker lets it in and drops it again, time after time. It waits a second and goes on.
        (_WORKER, "Frequent restarts detected: %r"),
        # beat tries again, without end.
        ("celery.beat", "beat: Connection error: %s. Trying again in %s seconds..."),
        # So does Flower. These are warnings, with a traceback.
        ("kombu.mixins", "Broker connection error, trying again in %s seconds: %r."),
        ("kombu.mixins", "Connection to broker lost, trying to re-establish connection..."),
    }
)


def _cause_of_failed_send(record: logging.LogRecord) -> object:
    # Celery wraps it, whatever it was.
    return record.exc_info and record.exc_info[1] and record.exc_info[1].__context__


def _first_argument(record: logging.LogRecord) -> object:
    return record.args[0] if isinstance(record.args, tuple) else None


#: What is said of outages and of faults alike, with what finds the error that tells them apart.
_PERHAPS_OUTAGES: Mapping[tuple[str, str], Callable[[logging.LogRecord], object]] = {
    # beat sends it again when it is due next.
    _BEATS_SEND: _cause_of_failed_send,
    # Flower tries again, without end.
    (
        "flower.events",
        "Failed to capture events: '%s', trying again in %s seconds.",
    ): _first_argument,
}

#: All templates, by their loggers; each logger has the name of the module that says it.
TEMPLATES = (*sorted(_OUTAGES), *_PERHAPS_OUTAGES)


def warn_of_outages(**_: object) -> None:
    """Have whatever writes the log take outages for warnings; Celery calls it once logging is set up."""
    for handler in logging.root.handlers:
        handler.addFilter(as_warning)


def as_warning(record: logging.LogRecord) -> bool:
    """Make a warning of a record that tells of an outage; a filter, which lets pass what is to be logged."""
    if record.levelno < logging.WARNING or not _is_outage(record):
        return True
    if (record.name, record.msg) == _BEATS_SEND and isinstance(record.args, tuple):
        # Celery adds the frames that have led to it.
        record.msg, record.args = "Message Error: %s", record.args[:1]
    record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    record.exc_info = record.exc_text = None
    return logging.getLogger(record.name).isEnabledFor(record.levelno)


def _is_outage(record: logging.LogRecord) -> bool:
    said = (record.name, str(record.msg))
    if said in _OUTAGES:
        return True
    error = _PERHAPS_OUTAGES[said](record) if said in _PERHAPS_OUTAGES else None
    return isinstance(error, Exception) and kind(error) is Kind.TRANSIENT
