"""What a merchant's code may import, and where it may stand."""

import subprocess
import sys

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


def test_handlers_of_several_modules_are_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDLERS", "tests.merchants.deadly, tests.merchants.impatient")
    shown = subprocess.run(
        [sys.executable, "-m", "tests.programs.task_names"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    ours = {"tasks.handlers.kills_its_process", "tasks.handlers.is_never_through"}
    assert ours <= set(shown.stdout.split())


def test_no_test_has_what_a_merchant_registers_in_its_own_process() -> None:
    """What such a module registers by its import would serve every other test, too."""
    assert [name for name in sys.modules if name.startswith("tests.merchants.")] == []
