"""README names the test that proves each promise."""

import re

from tests.stack import ROOT


def test_every_test_that_readme_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "README.md").read_text()))
    sources = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"^def (test_\w+)\(", sources, re.MULTILINE))
    assert named
    assert named - defined == set()
