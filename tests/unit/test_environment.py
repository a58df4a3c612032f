import importlib
import os
from collections.abc import Iterator

import pytest

import celeryconfig
from receiver.settings import EXAMPLE_KEY
from receiver.settings import Settings as ReceiverSettings
from tasks.serving_settings import FlowerSettings
from tasks.settings import Settings as TaskSettings
from tests.stack import ROOT


@pytest.fixture(autouse=True)
def _reload() -> Iterator[None]:
    """Leave celeryconfig as the other tests expect it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    importlib.reload(celeryconfig)


def complaint(settings: type[ReceiverSettings | TaskSettings]) -> str:
    with pytest.raises(SystemExit) as stop:
        settings.load()
    return str(stop.value)


def test_one_message_names_every_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PORT": "eighty",
        "MAX_BODY_BYTES": "0",
        "COINFLOW_REQUIRE_SIGNATURE": "perhaps",
        "WEBHOOK_PATH": "hooks",
        "CLOUDAMQP_URL": "http://secret:secret@host",
        "LOG_FORMAT": "xml",
    }.items():
        monkeypatch.setenv(name, value)
    said = complaint(ReceiverSettings)
    for name in (
        "COINFLOW_VALIDATION_KEY",
        "PORT",
        "MAX_BODY_BYTES",
        "COINFLOW_REQUIRE_SIGNATURE",
        "WEBHOOK_PATH",
        "CLOUDAMQP_URL",
        "LOG_FORMAT",
    ):
        assert name in said
    assert "secret" not in said


def test_without_a_key_the_receiver_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("", " , "):
        monkeypatch.setenv("COINFLOW_VALIDATION_KEY", key)
        assert "COINFLOW_VALIDATION_KEY" in complaint(ReceiverSettings)


@pytest.mark.parametrize("name", ["COINFLOW_VALIDATION_KEY", "COINFLOW_API_KEY"])
def test_both_names_hold_several_keys_and_show_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "first, second")
    settings = ReceiverSettings.load()
    assert [key.get_secret_value() for key in settings.validation_keys] == ["first", "second"]
    assert "first" not in repr(settings)


@pytest.mark.parametrize("environment", ["production", "Staging"])
def test_the_key_of_the_example_stays_where_it_is_developed(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    assert f"\nCOINFLOW_VALIDATION_KEY={EXAMPLE_KEY}\n" in (ROOT / ".env.example").read_text()
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", f"own-key,{EXAMPLE_KEY}")
    ReceiverSettings.load()
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.setenv("BROKER_URL", "amqp://host")
    said = complaint(ReceiverSettings)
    assert "COINFLOW_VALIDATION_KEY" in said
    assert EXAMPLE_KEY not in said
    assert "own-key" not in said
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", "own-key")
    ReceiverSettings.load()


@pytest.mark.parametrize("environment", ["production", "Staging"])
def test_files_that_no_other_machine_sees_stay_where_it_is_developed(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", "own-key")
    monkeypatch.setenv("ENVIRONMENT", environment)
    receiver, tasks = complaint(ReceiverSettings), complaint(TaskSettings)
    assert "BROKER_URL: " in receiver
    assert "DATABASE_URL" not in receiver
    assert "BROKER_URL: " in tasks
    assert "DATABASE_URL: " in tasks
    assert "ALLOW_EMBEDDED=true" in receiver
    assert "ALLOW_EMBEDDED=true" in tasks
    monkeypatch.setenv("BROKER_URL", "amqp://host")
    ReceiverSettings.load()
    monkeypatch.setenv("DATABASE_URL", "sqlite:////data/coinflow.sqlite3")
    assert "DATABASE_URL: " in complaint(TaskSettings)
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    TaskSettings.load()


def test_one_machine_may_be_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", "own-key")
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("ALLOW_EMBEDDED", "true")
    ReceiverSettings.load()
    TaskSettings.load()


@pytest.mark.parametrize(("name", "scheme"), [("BROKER_URL", "redis"), ("REDIS_URL", "rediss")])
def test_a_broker_that_may_lose_what_was_answered_200_must_be_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
) -> None:
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", "own-key")
    monkeypatch.setenv(name, f"{scheme}://:hidden@host")
    ReceiverSettings.load()
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("ALLOW_EMBEDDED", "true")
    for settings in (ReceiverSettings, TaskSettings):
        said = complaint(settings)
        assert f"{name}: Redis" in said
        assert "ALLOW_LOSSY_BROKER=true" in said
        assert "hidden" not in said
        monkeypatch.setenv("ALLOW_LOSSY_BROKER", "true")
        settings.load()
        monkeypatch.delenv("ALLOW_LOSSY_BROKER")


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"])
def test_no_name_of_celerys_own_passes_by_the_checks(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", "own-key")
    monkeypatch.setenv(name, "redis://:hidden@host")
    for settings in (ReceiverSettings, TaskSettings):
        monkeypatch.setenv("BROKER_URL", "amqp://host")
        said = complaint(settings)
        assert f"BROKER_URL: Celery would take {name} instead" in said
        assert "hidden" not in said
        # As the command `celery` leaves it.
        monkeypatch.setenv("BROKER_URL", "redis://:hidden@host")
        settings.load()


def test_no_url_with_a_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "amqp://user:hidden@host")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:hidden@host/name")
    settings = TaskSettings.load()
    assert "hidden" not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgres://user:pass@host/name", "postgresql+psycopg://user:pass@host/name"),
        ("postgresql://host/name", "postgresql+psycopg://host/name"),
        ("sqlite:///var/x.db", "sqlite:///var/x.db"),
    ],
)
def test_database_urls_as_platforms_give_them(
    monkeypatch: pytest.MonkeyPatch, given: str, driver: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    settings = TaskSettings.load()
    assert settings.database_url.get_secret_value() == driver


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense"])
def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert "DATABASE_URL" in complaint(TaskSettings)


def test_what_is_given_goes_before_what_is_set_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINFLOW_API_KEY", "set")
    settings = TaskSettings(COINFLOW_VALIDATION_KEY="given")
    assert [key.get_secret_value() for key in settings.validation_keys] == ["given"]


def test_the_first_broker_variable_that_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in reversed(celeryconfig.BROKER_VARIABLES):
        url = f"redis://{name.lower().replace('_', '-')}"
        monkeypatch.setenv(name, url)
        assert importlib.reload(celeryconfig).broker_url == url


def test_without_one_the_broker_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "")
    assert importlib.reload(celeryconfig).broker_url.startswith("embedded://")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "127.example"])
def test_flower_asks_others_for_a_password(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("FLOWER_ADDRESS", address)
    for password in ("", ":", "user", "user:", ":password", "user:password,"):
        monkeypatch.setenv("FLOWER_BASIC_AUTH", password)
        assert "FLOWER_BASIC_AUTH" in complaint(FlowerSettings)
    monkeypatch.setenv("FLOWER_BASIC_AUTH", "user:password,other:pass:word")
    FlowerSettings.load()


def test_flower_knows_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FlowerSettings.load().names() == {"localhost", "127.0.0.1", "[::1]"}
    monkeypatch.setenv("FLOWER_ADDRESS", "fd00::1")
    monkeypatch.setenv("FLOWER_BASIC_AUTH", "user:password")
    monkeypatch.setenv("FLOWER_HOSTS", "Flower.example, 10.0.0.1")
    added = {"[fd00::1]", "flower.example", "10.0.0.1"}
    assert FlowerSettings.load().names() == {"localhost", "127.0.0.1", "[::1]"} | added
    for wrong in ("https://flower.example", "flower.example:443", "a b"):
        monkeypatch.setenv("FLOWER_HOSTS", wrong)
        assert "FLOWER_HOSTS" in complaint(FlowerSettings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hidden@collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318?key=hidden"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318#hidden"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:hidden"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/hidden/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://user:hidden@collector:4318/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector:4318/v1/metrics?key=hidden"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector:hidden/v1/metrics"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector:4318/"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("SENTRY_DSN", "https://hidden@host:99999/1"),
        ("SENTRY_DSN", "https://key@host:hidden/1"),
        ("SENTRY_DSN", "https://hidden@host"),
        ("SENTRY_DSN", "https://host/1"),
    ],
)
def test_a_collector_that_cannot_be_reached_by_its_address_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", "own-key")
    monkeypatch.setenv(name, value)
    for settings in (ReceiverSettings, TaskSettings):
        said = complaint(settings)
        assert f"{name}: " in said
        assert "hidden" not in said


def test_a_collector_may_have_an_address_for_each_of_its_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example/v1/traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://metrics.example/api/v2/otlp")
    TaskSettings.load()
