"""What a merchant's code may import, and where it may stand."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks import merchant
from tasks.coinflow import payloads
from tasks.coinflow.event_types import Family
from tasks.settings import Settings
from tests.stack import ROOT


def test_every_payload_that_an_event_may_have_can_be_imported() -> None:
    models = {payloads.model(family).__name__ for family in Family}
    assert models <= set(merchant.__all__)
    assert all(hasattr(merchant, name) for name in merchant.__all__)


def test_a_module_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("no_such_module", "tasks.no_such_module", "no such.name", "tasks..handlers"):
        monkeypatch.setenv("HANDLERS", f"tasks.handlers,{wrong}")
        with pytest.raises(SystemExit, match=f"HANDLERS: there is no module '{wrong}'"):
            Settings.load()


def test_handlers_of_several_modules_are_tasks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("shop_one", "shop_two"):
        code = f"from tasks.merchant import Event, Payload, on\n\n@on('Settled')\ndef {name}(event): ...\n"
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setenv("HANDLERS", "shop_one, shop_two")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    shown = subprocess.run(
        [sys.executable, "-c", "from tasks.celery import app; print(*app.tasks)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert {"tasks.handlers.shop_one", "tasks.handlers.shop_two"} <= set(shown.stdout.split())
