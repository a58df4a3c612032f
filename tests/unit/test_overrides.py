"""What is bent in a library is on the page that names the gap."""

import ast
from pathlib import Path

import pytest

from tests.stack import ROOT

PAGE = (ROOT / "docs" / "explanation" / "overrides.md").read_text()
LIBRARIES = ("celery", "kombu", "gunicorn", "flower")
#: Steps that Celery means to be added; only those that take another's place are overrides.
ADDED = {"PriceListWatch"}


def overriding(path: Path) -> list[str]:
    """Return the classes of a module that inherit from one of these libraries."""
    tree = ast.parse(path.read_text())
    theirs = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES
        for alias in node.names
    }
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any(ast.unparse(base).split(".")[0] in theirs for base in node.bases)
        and node.name not in ADDED
    ]


MODULES = [path for top in ("receiver", "tasks") for path in sorted((ROOT / top).rglob("*.py"))]
OVERRIDES = [
    (str(path.relative_to(ROOT)), name)
    for path in MODULES
    for name in overriding(path)
    if not name.endswith("Error") and name != "Blueprint"
]


@pytest.mark.parametrize(("module", "name"), OVERRIDES)
def test_every_override_is_named_with_its_gap(module: str, name: str) -> None:
    assert any(f"`{module}`" in line and f"`{name}`" in line for line in PAGE.splitlines())


def test_there_are_overrides_to_look_for() -> None:
    assert len(OVERRIDES) > 12
