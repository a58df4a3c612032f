"""What the receiver and the tasks agree on: the broker, its queues, and the promises a message carries.

Both sides load this module as Celery's configuration. It also holds `Environment`, the part of the
environment that every process reads, because the broker's address is Celery's first setting.
"""

import atexit
import hashlib
import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

from dotenv import load_dotenv
from kombu import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

# The one place where `.env` is read; what the environment sets already wins over it.
load_dotenv(".env")

#: Names that may hold the broker's address; the first one that is set wins.
BROKER_VARIABLES = ("BROKER_URL", "CLOUDAMQP_URL", "RABBITMQ_URL", "REDIS_URL")
#: The name of the task that stores events: wire format between receiver and tasks.
INTAKE_TASK = "tasks.intake.store_events"
#: The name of the task that sends overdue work again, which beat and dead letters know.
SWEEP_TASK = "tasks.recovery.resend_unfinished"
#: Seconds between two sweeps for what is overdue.
SWEEP_INTERVAL = 30.0
#: Seconds that a publish may wait for the broker's confirm.
CONFIRM_TIMEOUT = 3.0
#: How often a message may come back from a worker that died before it goes to the dead queue.
DELIVERY_LIMIT = 20


#: The message header that tells which application a message belongs to: its `application_marks`, of which
#: sender and worker share one at every step of a rotation. Earlier versions sent none.
APPLICATION_HEADER = "application"
#: What holds a span's context, as the W3C writes it, where spans are made: beside each event that the
#: receiver hands over, because a message holds many; elsewhere a header, of a message or a request. Earlier
#: versions pass over it.
TRACEPARENT = "traceparent"
#: An id that a log or a span may show; a name or an address of a person's is none.
SHOWN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

#: Names that Celery prefers to any configuration, and so to whatever is checked here.
_CELERYS_OWN = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")


def _check_broker_url(url: SecretStr) -> SecretStr:
    for name in _CELERYS_OWN:
        # The command `celery` sets them itself, to what BROKER_URL says.
        if os.environ.get(name, "") not in {"", url.get_secret_value()}:
            raise ValueError(f"Celery would take {name} instead; unset that one")
    for address in url.get_secret_value().split(";"):
        parts = urlsplit(address)
        _check_tls(parts.query)
        if url and (parts.scheme not in {"amqp", "amqps", "redis", "rediss"} or not parts.hostname):
            raise ValueError(
                "expected amqp://, amqps://, redis:// or rediss:// with a host, several separated by ;, "
                "or nothing at all"
            )
    return url


#: What an address may say of TLS.
_TLS = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def _check_tls(query: str) -> None:
    for name, value in parse_qsl(query):
        if name.startswith("ssl_") and name not in _TLS:
            raise ValueError(f"{name}: expected {', '.join(_TLS)}")
        if name == _TLS[0] and value not in {"required", "none"}:
            raise ValueError(f"{name}: expected required or none")
        if name in _TLS[1:] and not Path(value).is_file():
            raise ValueError(f"{name}: there is no file {value}")


def _check_prefix(prefix: str) -> str:
    # A dot would divide a routing key into words, of which one may be another application's whole key.
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", prefix):
        raise ValueError("expected up to 32 letters, digits, - and _")
    return prefix


def _parts(url: str) -> SplitResult:
    """Return a URL's parts, of which `port` is one. Raises ValueError, without the URL's words."""
    try:
        parts = urlsplit(url)
        # It is read when it is asked for.
        _ = parts.port
    except ValueError:
        raise ValueError("expected a URL whose port, if it has one, is a number up to 65535") from None
    return parts


def _check_otlp_endpoint(url: str) -> str:
    parts = _collector(url)
    if parts is None or re.search(r"/v1/(traces|metrics)/*$", parts.path):
        raise ValueError("expected http:// or https:// with a host, without /v1/traces")
    return url


def _check_otlp_signal(url: str) -> str:
    parts = _collector(url)
    if parts is None or not parts.path.strip("/"):
        # The SDK adds nothing to it.
        raise ValueError("expected http:// or https:// with a host and the whole path, such as /v1/traces")
    return url


def _collector(url: str) -> SplitResult | None:
    """Return the parts of a collector's URL; None where it has no host. Raises ValueError."""
    parts = _parts(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "expected no user, password, query or fragment: the log may show it; what lets in goes into "
            "OTEL_EXPORTER_OTLP_HEADERS"
        )
    return parts if parts.scheme in {"http", "https"} and parts.hostname else None


def _check_dsn(dsn: SecretStr) -> SecretStr:
    parts = _parts(dsn.get_secret_value())
    if (
        parts.scheme not in {"http", "https"}
        or not (parts.hostname and parts.username)
        or not re.search(r"/\d+$", parts.path)
    ):
        raise ValueError("expected https://<key>@<host>/<project>, as Sentry shows it")
    return dsn


def split_commas(value: Any) -> Any:
    """Return the parts of a comma-separated variable, without blanks around them."""
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def application_marks(keys: Iterable[SecretStr]) -> tuple[str, ...]:
    """Return what tells applications apart without telling their keys: a short mark of each."""
    texts = (b"application " + key.get_secret_value().encode() for key in keys)
    return tuple(hashlib.sha256(text).hexdigest()[:8] for text in texts)


def _names(own: str, field: FieldInfo) -> Sequence[str]:
    """Return the names that a field may be read from."""
    alias = field.validation_alias
    return [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [own]


class Environment(BaseModel):
    """Variables that every process reads; `load` stops the start when any is missing or malformed.

    A field is read from the variable of its name, or from the first of its aliases that is set; one that is
    empty is none. What is given to the constructor goes before.
    """

    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True
    )

    #: Where the process runs; nothing but `development` may use the key of `.env.example`, and only what is
    #: allowed below may use files or Redis.
    environment: Annotated[str, AfterValidator(str.lower)] = "development"
    #: One machine is all there is, so broker and database may be files of its own.
    allow_embedded: bool = False
    #: What was answered 200 may be lost with the broker.
    allow_lossy_broker: bool = False
    broker_url: Annotated[SecretStr, AfterValidator(_check_broker_url)] = Field(
        default=SecretStr(""), validate_default=True, validation_alias=AliasChoices(*BROKER_VARIABLES)
    )
    #: The Webhook Validation Key; several during a rotation. The receiver alone cannot do without.
    validation_keys: Annotated[tuple[SecretStr, ...], BeforeValidator(split_commas)] = Field(
        default=(), validation_alias=AliasChoices("COINFLOW_VALIDATION_KEY", "COINFLOW_API_KEY")
    )
    #: Names queues, exchanges and keys, where several applications share a broker.
    broker_prefix: Annotated[str, AfterValidator(_check_prefix)] = ""
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        BeforeValidator(lambda value: str(value).upper()),
    ] = "INFO"
    log_format: Literal["json", "console"] = "json"
    #: Where spans go, by OTLP over HTTP. What else OpenTelemetry's variables say, its SDK reads.
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(_check_otlp_endpoint)] | None = None
    #: Where spans go, and what the receiver counts, instead; the SDK reads them, too.
    otel_exporter_otlp_traces_endpoint: Annotated[str, AfterValidator(_check_otlp_signal)] | None = None
    otel_exporter_otlp_metrics_endpoint: Annotated[str, AfterValidator(_check_otlp_signal)] | None = None
    #: What spans name a process; `coinflow-receiver` and `coinflow-worker` unless set.
    otel_service_name: str | None = None
    #: Milliseconds between two exports: a process that is killed takes what is younger with it.
    otel_bsp_schedule_delay: PositiveInt = 1000
    #: Where errors go.
    sentry_dsn: Annotated[SecretStr, AfterValidator(_check_dsn)] | None = None

    def __init__(self, **given: Any) -> None:
        super().__init__(**(self._written(given) | given))

    @field_validator("broker_url")
    @classmethod
    def _check_what_may_be_lost(cls, url: SecretStr, given: ValidationInfo) -> SecretStr:
        if given.data.get("environment") == "development":
            return url
        if not url and not given.data.get("allow_embedded"):
            raise ValueError(
                "without a broker, events wait in a file that no other machine sees; set it, or "
                "ALLOW_EMBEDDED=true if one machine is all there is"
            )
        if url.get_secret_value().startswith("redis") and not given.data.get("allow_lossy_broker"):
            raise ValueError(
                "Redis has no publisher confirms, so what was answered 200 may be lost when it crashes "
                "before it has written it, or fails over; use RabbitMQ, or set ALLOW_LOSSY_BROKER=true"
            )
        return url

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SystemExit with one message that names every faulty variable."""
        try:
            return cls()
        except ValidationError as error:
            faults = [
                f"  {cls.variable(fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
                for fault in error.errors(include_input=False)
            ]
            raise SystemExit(
                "\n".join(["The environment needs attention (see .env.example):", *faults])
            ) from None

    @classmethod
    def _written(cls, given: Collection[str]) -> dict[str, str]:
        """Return what the environment says of fields that are not given, by the names that it uses."""
        # Names of variables are read in any case, the field's own among them.
        environment = {name.upper(): value for name, value in os.environ.items() if value}
        choices = (_names(name, field) for name, field in cls.model_fields.items())
        left = (names for names in choices if not any(name in given for name in names))
        first = (next((name for name in names if name.upper() in environment), None) for names in left)
        return {name: environment[name.upper()] for name in first if name}

    @classmethod
    def variable(cls, location: tuple[int | str, ...]) -> str:
        """Name the variable that holds a faulty field: of several that may, the one that is set."""
        name = str(location[0])
        for own, field in cls.model_fields.items():
            names = _names(own, field)
            if name in names:
                return next((each for each in names if os.environ.get(each)), name).upper()
        return name.upper()

    def configure_logs(self, *more: Any) -> None:
        """Write one line per fact to standard output, from our code and from every library alike.

        `more` are structlog's processors that add to what each line says. Errors go to Sentry as well, where
        that is asked for.
        """
        import structlog  # noqa: PLC0415  # it takes as long as many a command, which has no log

        shared: list[structlog.types.Processor] = [
            structlog.contextvars.merge_contextvars,
            *more,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        rendering: list[structlog.types.Processor] = (
            # Its own choice would show the values of local variables, personal data among them.
            [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
            if self.log_format == "console"
            else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        )
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                *shared,
                structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            cache_logger_on_first_use=True,
        )
        handler = logging.StreamHandler(sys.stdout)
        handler.addFilter(_is_news)
        handler.addFilter(_without_headers)
        handler.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=shared,
                processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
            )
        )
        logging.root.handlers = [handler]
        logging.root.setLevel(self.log_level)
        self._send_errors()

    def _send_errors(self) -> None:
        if self.sentry_dsn is None:
            return
        handlers = load_extra("SENTRY_DSN", "sentry_sdk.integrations.logging")
        if handlers is None:
            return
        handlers.sentry_sdk.init(
            dsn=self.sentry_dsn.get_secret_value(),
            environment=self.environment,
            # They would replace parts of Celery, Falcon and SQLAlchemy; what goes wrong there is logged.
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[handlers.sentry_sdk.integrations.dedupe.DedupeIntegration()],
            include_local_variables=False,
            before_send=_without_data,
        )
        # An outage of the collector's is no error, and it is told again every few seconds.
        handlers.ignore_logger("opentelemetry.*")
        logging.root.addHandler(handlers.EventHandler(level=logging.ERROR))
        atexit.register(handlers.sentry_sdk.flush, timeout=FLUSH_TIME)


#: Seconds in which a process that ends may send what is left of its spans and errors.
FLUSH_TIME = 2.0


def load_extra(variable: str, module: str) -> Any:
    """Return the module that serves a variable; None, told with what helps, where its packages are not."""
    try:
        return import_module(module)
    except ImportError as error:
        import structlog  # noqa: PLC0415  # as in `configure_logs`

        structlog.get_logger(__name__).warning(
            "extra.missing",
            variable=variable,
            package=error.name,
            next_step=f"Install requirements-telemetry.txt, or unset {variable}; all else goes on without.",
        )
        return None


_Made = TypeVar("_Made")


def make_extra(make: Callable[..., _Made], *arguments: Any) -> _Made | None:
    """Return what OpenTelemetry's SDK makes; None, told with what helps, where it refuses a variable."""
    try:
        return make(*arguments)
    except Exception as error:  # noqa: BLE001  # nobody's payment waits for spans, whatever is wrong
        import structlog  # noqa: PLC0415  # as in `configure_logs`

        structlog.get_logger(__name__).warning(
            "extra.refused",
            error=type(error).__name__,
            reason=str(error),
            next_step="Correct the variable OTEL_* that this is about, and restart; all else goes on.",
        )
        return None


def send_error(error: Exception) -> None:
    """Send an error to Sentry, if it goes there at all, that the log does not call one."""
    if sentry := sys.modules.get("sentry_sdk"):
        sentry.capture_exception(error)


#: What Sentry is told of every error; of an exception its type, and the lines of code that it came through.
_TOLD = (
    "environment",
    "event_id",
    "level",
    "logger",
    "platform",
    "release",
    "sdk",
    "server_name",
    "timestamp",
)
_TOLD_OF_EXCEPTION = ("mechanism", "module", "stacktrace", "type")


def _without_data(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """Return what of an error may leave: what it is and where, and by which ids the log tells the rest.

    What an exception or a line of the log says in words may quote a body, a key or a buyer.
    """
    import structlog  # noqa: PLC0415  # as in `configure_logs`

    told = {name: event[name] for name in _TOLD if name in event}
    bound = structlog.contextvars.get_contextvars()
    told["tags"] = {name: str(bound[name]) for name in ("task_id", "event_id") if name in bound}
    if record := hint.get("log_record"):
        place = f"{record.filename}, line {record.lineno}"
        told["logentry"] = {"message": record.msg.get("event") if isinstance(record.msg, dict) else place}
    if raised := event.get("exception", {}).get("values"):
        told["exception"] = {
            "values": [{name: each[name] for name in _TOLD_OF_EXCEPTION if name in each} for each in raised]
        }
    return told


def _without_headers(record: logging.LogRecord) -> bool:
    """Let OpenTelemetry's SDK say that a header is malformed, but not quote it: it may be a password."""
    if record.name.startswith("opentelemetry.") and "header" in record.getMessage().lower():
        record.msg, record.args = "A header in OTEL_EXPORTER_OTLP_HEADERS is malformed or refused.", ()
    return True


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line says anything; a sweep comes twice a minute, and tells itself what it did."""
    if record.levelno > logging.INFO:
        return True
    if record.name == "celery.beat":
        return not record.getMessage().startswith("Scheduler: Sending due task")
    of_task = getattr(record, "data", {}) if record.name == "celery.app.trace" else {}
    return of_task.get("name") != SWEEP_TASK


# ---------------------------------------------------------------- the broker

_url = next((os.environ[name] for name in BROKER_VARIABLES if os.environ.get(name)), "")
_scheme = urlsplit(_url).scheme
#: What names queues, exchanges and keys, where several applications share a broker; or nothing.
BROKER_PREFIX = os.environ.get("BROKER_PREFIX", "")
_prefix = f"{BROKER_PREFIX}-" if BROKER_PREFIX else ""
# Redis has one space of keys, which kombu prefixes, whatever is named there.
_in_names = "" if _scheme.startswith("redis") else _prefix


def prefixed(name: str) -> str:
    """Return a queue's or exchange's name under `BROKER_PREFIX`."""
    return _in_names + name


# kombu loads a transport by its name, so neither side imports it. `broker_transport` would name one, too, but
# not for long: when kombu changes to another node of a cluster, or tells a monitor of its connection, it
# takes what it calls by the URL's scheme.
TRANSPORT_ALIASES.update(
    amqp="tasks.transports.rabbitmq:Transport",
    amqps="tasks.transports.rabbitmq:SSLTransport",
    embedded="tasks.embedded_broker.transport:Transport",
    redis="tasks.transports.redis:RedisTransport",
    rediss="tasks.transports.redis:RedisTransport",
)

broker_transport_options: dict[str, Any]
if _scheme.startswith("amqp"):
    broker_url = _url
    broker_transport_options = {
        # Without it a publish that the broker never saw counts as done; each publish adds CONFIRM_TIMEOUT.
        "confirm_publish": True,
    }
elif _scheme.startswith("redis"):
    broker_url = _url
    broker_transport_options = {
        "global_keyprefix": _prefix,
        # Redis gives an unacknowledged message back only after this many seconds: what a killed worker held
        # waits so long. It must exceed the longest wait between two tries, for a free process and the
        # longest run together (60 seconds each), or a task that is still held would run twice.
        "visibility_timeout": 200,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
    }
else:
    broker_url = "embedded://"
    broker_transport_options = {"path": os.environ.get("EMBEDDED_BROKER_PATH", "var/broker.sqlite3")}

if _scheme in {"amqps", "rediss"}:
    # Whoever answers must prove to be the broker, unless the address says otherwise.
    _said = dict(parse_qsl(urlsplit(_url.partition(";")[0]).query))
    broker_use_ssl = {"ssl_cert_reqs": "required"} | {name: _said[name] for name in _TLS if name in _said}

broker_connection_timeout = 3
# Seconds: a connection that died without a word is noticed after two of these, by both ends.
broker_heartbeat = 10
# A worker that starts before its broker waits for it, as it does when the broker goes away later.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
# Small hosted plans let 20 connections in, and no process publishes from two threads at once.
broker_pool_limit = 1
# The default waits without end for a free connection.
broker_pool_acquire_timeout = 3
# A retry inside a publish finds the connection of a restarted broker anew; longer waits are the caller's.
task_publish_retry_policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}

# ---------------------------------------------------------------- queues

# Only a topic exchange lets RabbitMQ delay a retry; with a direct one it would block a worker's slot.
_exchange = Exchange(prefixed("coinflow"), type="topic")
_dead_exchange = Exchange(prefixed("coinflow.dead"), type="topic")
#: The queues of tasks, without `BROKER_PREFIX`.
QUEUES = ("events", "fulfilment", "handlers", "recovery", "notifications")
_events, _fulfilment, _handlers, _recovery, _notifications = map(prefixed, QUEUES)
#: What a worker reads that no `-Q` tells otherwise: a merchant's slow server must not keep it from the rest.
WORKERS_QUEUES = QUEUES[:-1]


def _queue(name: str, **arguments: int) -> Queue:
    return Queue(
        name,
        _exchange,
        routing_key=name,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": _dead_exchange.name,
            # At-least-once moves a dead letter under confirms; it demands reject-publish.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            # A message that keeps killing its worker becomes a dead letter.
            "x-delivery-limit": DELIVERY_LIMIT,
            **arguments,
        },
    )


#: What no task could take: crash loops, unknown tasks. Nothing consumes it; an operator looks at it.
dead_queue = Queue(
    prefixed("dead-letters"),
    _dead_exchange,
    routing_key="#",
    queue_arguments={
        "x-queue-type": "quorum",
        # Where an operator's policy bounds it, what comes next waits in its own queue; the oldest stays.
        "x-overflow": "reject-publish",
        # Each look is a delivery, and RabbitMQ 4 drops what was delivered 20 times unless told otherwise.
        "x-delivery-limit": 1_000_000_000,
    },
)
#: The dead queue of earlier versions, without those arguments; what lies in it is moved.
former_dead_queue = Queue("dead", _dead_exchange, routing_key="#", queue_arguments={"x-queue-type": "quorum"})
#: Where dead messages may lie as well. With a prefix it is another application's, or was this one's own.
former_dead_queues = [Queue("dead-letters")] if BROKER_PREFIX else [former_dead_queue]
task_queues = [
    *(_queue(prefixed(name)) for name in WORKERS_QUEUES),
    # They only say that something is due. Where nobody reads them, so many are enough.
    _queue(_notifications, **{"x-max-length": 1_000}),
]
task_default_queue = _fulfilment
task_default_exchange = _exchange.name
task_default_exchange_type = "topic"
task_default_routing_key = _fulfilment
task_default_queue_type = "quorum"
# A misspelt queue must be an error, not a queue that nobody reads.
task_create_missing_queues = False
task_routes = {
    "tasks.intake.*": {"queue": _events},
    "tasks.fulfilment.*": {"queue": _fulfilment},
    # The merchant's own functions, which may be slow, stand in nobody's way but their own.
    "tasks.handlers.*": {"queue": _handlers},
    "tasks.orders.*": {"queue": _handlers},
    "tasks.recovery.*": {"queue": _recovery},
    "tasks.notifications.*": {"queue": _notifications},
}
broker_native_delayed_delivery_queue_type = "quorum"

# ---------------------------------------------------------------- tasks

imports = (
    "tasks.pipeline.listeners",
    "tasks.pipeline.intake",
    "tasks.pipeline.fulfilment",
    "tasks.pipeline.handling",
    "tasks.pipeline.ordering",
    "tasks.pipeline.recovery",
    "tasks.notifications.notifying",
)
task_serializer = "json"
accept_content = ["json"]
task_ignore_result = True
# A message belongs to the queue until its task has run: every task may run twice without harm.
task_acks_late = True
# By default Celery acknowledges a message whose worker process was killed; the delivery limit ends a loop.
task_reject_on_worker_lost = True
# A failure that no code of ours has recorded goes to the dead-letter exchange instead of nowhere.
task_acks_on_failure = False
# A run that hit its hard limit is delivered again, at most as often as the delivery limit says.
task_acks_on_timeout = False
# Seconds: the soft limit is an exception that can be classified, the hard one is the backstop. Longer than a
# connection that stalls for half a minute, and short for the sake of Redis' visibility timeout.
task_soft_time_limit = 45
task_time_limit = 60

# ---------------------------------------------------------------- workers

# Celery's own acknowledges a message that it cannot decode, and so loses it.
worker_consumer = "tasks.worker.consumer:Consumer"
# Few messages in flight, so that little is delivered again when a worker dies. Of events, which are quick, a
# worker takes more (`tasks.worker.merging`).
worker_prefetch_multiplier = 1
# Otherwise a task goes on beside its redelivered copy after a lost connection.
worker_cancel_long_running_tasks_on_connection_loss = True
# Seconds in which running tasks may finish before a stop becomes cold; what was cut off is delivered again.
# Celery sleeps through all of them whenever a task is running, so they are few: `make run` kills after 5,
# Heroku after 30.
worker_soft_shutdown_timeout = 3
worker_hijack_root_logger = False
# Flower lives on these. It can do without being told of what was sent: each publish would be two.
worker_send_task_events = True
task_send_sent_event = False
event_exchange = prefixed("celeryev")
event_queue_prefix = prefixed("celeryev")
control_exchange = prefixed("celery")

# ---------------------------------------------------------------- beat

timezone = "UTC"
beat_schedule = {
    "resend-unfinished": {
        "task": SWEEP_TASK,
        # No `expires`: it makes a dead letter of each that waits for a worker, and a worker whose clock is
        # ahead throws all of them away. The sweep itself finds out whether it is one too many.
        "schedule": SWEEP_INTERVAL,
    }
}
