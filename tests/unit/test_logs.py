"""What the logs never tell."""

import logging
from collections.abc import Iterator

import pytest

from celeryconfig import Environment


@pytest.fixture(autouse=True)
def _keep_root_logger() -> Iterator[None]:
    handlers, level = logging.root.handlers, logging.root.level
    yield
    logging.root.handlers, logging.root.level = handlers, level


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_values(
    log_format: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_FORMAT", log_format)
    Environment.load().configure_logs()
    _fail("4111111111111111")
    said = capsys.readouterr().out
    assert "ZeroDivisionError" in said
    assert "4111111111111111" not in said


def _fail(card: str) -> None:
    try:
        _ = len(card) / 0
    except ZeroDivisionError:
        logging.getLogger("test").exception("failed")
