"""How commands end, as docs/reference/coinflowctl.md says."""

import re
from pathlib import Path

import pytest

from tests.integration.commands import ctl
from tests.stack import ROOT

PAGE = ROOT / "docs" / "reference" / "coinflowctl.md"
BROKEN = "broken.toml"
ENDS = {
    0: ["events list", "wallets show nobody", "payments list --attention", "payments --help"],
    1: [
        "events show 9",
        "export nobody",
        "endpoints pause nobody",
        f"catalog check {BROKEN}",
        # Nobody says yes.
        "erase alice --reason asked",
    ],
    2: [
        "payments",
        "nonsense",
        "events list --nonsense",
        "events list --limit 0",
        "events show one",
        "payments resolve pay --done",
        "payments resolve pay --reason nothing",
        "dead-letters discard",
        "catalog check missing.toml",
    ],
}


@pytest.mark.parametrize("migrated", ["SQLite"], indirect=True)
@pytest.mark.parametrize(("code", "line"), [(code, line) for code in ENDS for line in ENDS[code]])
@pytest.mark.usefixtures("engine")
def test_a_command_ends_as_the_page_says(
    code: int, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(BROKEN).write_text("items = 1")
    done = ctl(*line.split())
    assert done.exit_code == code, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_the_page_tells_of_every_code() -> None:
    assert {int(code) for code in re.findall(r"^- `(\d)`:", PAGE.read_text(), re.MULTILINE)} == set(ENDS)
