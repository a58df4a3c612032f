"""Whom `make run` has told of changes, and so whether it starts `notify`."""

from pathlib import Path

import pytest

from tasks.cli.audience import audience
from tasks.settings import Settings

SECRET = "whsec_" + "c2VjcmV0" * 6
LISTENS = """
from tasks.merchant import on_grant_change

print("what a merchant's module prints")

@on_grant_change
def shop(change): pass
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder from which this process, and what it starts, imports."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_without_servers_and_functions_it_is_nobody() -> None:
    assert audience(Settings.load()) == []


def test_servers_and_functions_are_named(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (modules / "listens.py").write_text(LISTENS)
    for variable, value in {
        "HANDLERS": "tasks.handlers,listens",
        "NOTIFY_URL": "http://localhost:9000/hook?key=secret",
        "NOTIFY_SECRET": SECRET,
        "NOTIFY_URL_CRM": "https://crm.example",
        "NOTIFY_SECRET_CRM": SECRET,
    }.items():
        monkeypatch.setenv(variable, value)
    hook, *others = audience(Settings.load())
    assert hook.startswith("http://localhost:9000/hook?#")
    assert "secret" not in hook
    assert others == ["https://crm.example", "@shop"]


@pytest.mark.parametrize("fault", ["1 / 0", "raise SystemExit(0)", "import os; os._exit(0)"])
def test_a_module_that_cannot_be_imported_is_the_workers_to_complain_of(
    modules: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    (modules / "faulty.py").write_text(fault)
    monkeypatch.setenv("HANDLERS", "faulty")
    assert audience(Settings.load()) == []
