"""What the command line answers to what it does not know."""

import tomllib

import click
import pytest
from click.testing import CliRunner

from tasks.cli import main
from tests.commands import described, examples_of, parsed, words_of
from tests.stack import ROOT


@pytest.mark.parametrize(
    ("words", "meant"),
    [("evnts list", "'events'"), ("payments sow", "'show'"), ("find x --sinse y", "'--since'")],
)
def test_a_misspelt_word_is_answered_with_what_looks_like_it(words: str, meant: str) -> None:
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 2
    assert "Did you mean" in done.output
    assert meant in done.output


def test_the_version_is_the_projects() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert CliRunner().invoke(main, ["--version"]).output == f"coinflowctl {version}\n"


@pytest.mark.parametrize("words", [["find", "a\udcff"], ["trigger", "Settled", "--url", "http://[::1"]])
def test_what_cannot_be_meant_is_answered_without_a_traceback(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINFLOW_VALIDATION_KEY", "key")
    done = CliRunner().invoke(main, words)
    assert done.exit_code in {1, 2}
    assert isinstance(done.exception, SystemExit)


def test_an_age_beyond_the_calendar_is_no_age() -> None:
    done = CliRunner().invoke(main, ["prune", "--older-than", "999999d"])
    assert (done.exit_code, "is no number of days" in done.output) == (2, True)


@pytest.mark.parametrize("words", ["payments resolve pay --done", "events reread"])
def test_a_reason_is_taken_by_its_former_name_too(words: str) -> None:
    for name in ("--reason", "--why"):
        assert parsed(*words.split(), name, "by phone").params["why"] == "by phone"
    assert "--why" not in CliRunner().invoke(main, [*words.split(), "--help"]).output


def test_every_command_has_examples_that_it_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    # They name files of the repository.
    monkeypatch.chdir(ROOT)
    for names, command in described():
        lines = examples_of(command)
        assert lines or isinstance(command, click.Group), names
        for words in map(words_of, lines):
            assert tuple(words[: len(names)]) == names
            parsed(*words)


def test_an_example_stands_at_the_end_of_the_help() -> None:
    said = CliRunner().invoke(main, ["wallets", "show", "--help"]).output
    assert said.endswith("\n\n  For example:\n    coinflowctl wallets show alice\n")


def test_a_group_knows_the_commands_that_it_has_not_imported() -> None:
    said = CliRunner().invoke(main, ["payments", "--help"]).output
    assert [line.split()[0] for line in said.splitlines()[-4:]] == ["list", "match", "resolve", "show"]
    typed = {"COMP_WORDS": "coinflowctl payments re", "COMP_CWORD": "2"}
    asked = {"_COINFLOWCTL_COMPLETE": "bash_complete", **typed}
    assert CliRunner().invoke(main, [], prog_name="coinflowctl", env=asked).output == "plain,resolve\n"
