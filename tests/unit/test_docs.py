"""What README and the other pages name is there: links, paths, tests, commands and variables."""

import ast
import importlib
import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from tasks.cli import main
from tasks.payments.price_list_form import PriceList
from tests.documents import PAGES, blocks, commands, inline, name_of, prose
from tests.stack import ROOT, procfile
from tests.variables import ALL

KINDS = {"tutorial", "how-to", "reference", "explanation"}
#: Pages whose commands a test types as they stand: two by `make test-deployments`, one in `test_backups.py`.
FOLLOWED = {
    ROOT / "docs" / "how-to" / name
    for name in ("deploy-systemd.md", "deploy-container.md", "back-up-and-restore.md")
}
each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


# ---------------------------------------------------------------- pages


def test_the_docs_are_of_four_kinds_and_all_are_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    pages = {page for page in PAGES if page.is_relative_to(index.parent)} - {index}
    assert {page.relative_to(index.parent).parts[0] for page in pages} == KINDS
    assert {target for _, target, _ in links(index)} & pages == pages


def test_the_readme_can_be_read_in_some_minutes() -> None:
    assert len((ROOT / "README.md").read_text().split()) < 900


def test_the_changelog_has_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )


@each_page
def test_every_price_list_can_be_read(page: Path) -> None:
    for block in blocks(page):
        if block.language == "toml":
            assert PriceList.model_validate(tomllib.loads(block.text)).items


# ---------------------------------------------------------------- links, paths and tests


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield a page's internal links: as written, the file, and the heading or nothing."""
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if not re.match(r"https?://", target):
            file, _, heading = target.partition("#")
            yield target, (page.parent / file).resolve() if file else page, heading


def headings(page: Path) -> set[str]:
    """Return a page's headings as GitHub links to them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_every_internal_link_leads_somewhere(page: Path) -> None:
    for written, file, heading in links(page):
        assert file.exists(), written
        assert not heading or heading in headings(file), written


@each_page
def test_every_path_is_there(page: Path) -> None:
    top = {entry.name for entry in ROOT.iterdir()} - {"var"}
    for code in inline(page):
        if re.fullmatch(r"[\w.*-]+(/[\w.*-]*)+", code) and code.split("/")[0] in top:
            assert list(ROOT.glob(code)), code


def pictures(page: Path) -> dict[Path, str]:
    """Return the pictures that a page shows, with their texts for whoever does not see them."""
    shown = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", prose(page))
    return {(page.parent / target).resolve(): " ".join(text.split()) for text, target in shown}


@each_page
def test_every_picture_is_small_and_told_in_words(page: Path) -> None:
    for picture, text in pictures(page).items():
        assert picture.stat().st_size < 150_000, picture
        assert len(text.split()) >= 10, picture


def test_every_picture_is_shown() -> None:
    shown = {picture for page in PAGES for picture in pictures(page)}
    assert shown >= {*(ROOT / "docs" / "pictures").iterdir()}


@cache
def defined_tests() -> set[str]:
    """Return the names of all test functions."""
    trees = (ast.parse(path.read_text()) for path in (ROOT / "tests").rglob("test_*.py"))
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@each_page
def test_every_test_that_is_named_is_there(page: Path) -> None:
    named = {code for code in inline(page) if re.fullmatch(r"test_\w+", code)}
    assert named <= defined_tests()


# ---------------------------------------------------------------- commands


@pytest.mark.parametrize("page", [page for page in PAGES if page not in FOLLOWED], ids=name_of)
def test_every_command_names_what_is_there(page: Path) -> None:
    for command in commands(page):
        program, *arguments = words(command.line)
        assert program in CHECKS, f"{command.line}: no test runs or checks {program}"
        CHECKS[program](arguments)


@each_page
def test_every_command_within_a_sentence_names_what_is_there(page: Path) -> None:
    for code in inline(page):
        program, *arguments = words(code) if "'" not in code else [""]
        if program in CHECKS and arguments:
            CHECKS[program](arguments)
        elif program in main.list_commands(click.Context(main)) and arguments:
            check_coinflowctl([program, *arguments])


@each_page
def test_every_setting_is_a_variable_that_something_reads(page: Path) -> None:
    for block in blocks(page):
        if block.language == "ini":
            for line in block.text.splitlines():
                name, equals, _ = line.partition("=")
                assert equals, line
                assert name in {*ALL, "TEST_DATABASE_URL"}, line


def words(line: str) -> list[str]:
    """Return a command's words; where the program lies and what the environment adds do not matter."""
    found = shlex.split(line) or [""]
    while re.match(r"[A-Z_]+=", found[0]) and len(found) > 1:
        found.pop(0)
    return [re.sub(r"^(\.venv/)?bin/", "", found[0]), *found[1:]]


def check_coinflowctl(arguments: list[str]) -> None:
    command: click.Command = main
    names = [word for word in arguments if not word.startswith("-")]
    while isinstance(command, click.Group) and names:
        name = names.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found, f"coinflowctl has no {name}: {arguments}"
        command = found
    options = {"--help", *(option for each in command.params for option in each.opts)}
    assert {word for word in arguments if word.startswith("--")} <= options, arguments


def check_make(arguments: list[str]) -> None:
    targets = re.findall(r"^([\w-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert arguments[0] in targets, arguments


def check_pip(arguments: list[str]) -> None:
    assert arguments[:-1] == ["install", "--require-hashes", "-r"], arguments
    assert (ROOT / arguments[-1]).is_file(), arguments


def check_python(arguments: list[str]) -> None:
    assert arguments[0] == "-m", arguments
    assert importlib.util.find_spec(arguments[1]), arguments


def check_pytest(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).exists(), arguments
    if "-k" in arguments:
        assert arguments[arguments.index("-k") + 1] in (ROOT / arguments[0]).read_text()


def check_alembic(arguments: list[str]) -> None:
    assert shlex.join(["alembic", *arguments]) in procfile()["release"]


def check_apt_get(arguments: list[str]) -> None:
    command, *packages = arguments
    assert command == "install"
    assert all(f"({package})" in (ROOT / ".ci" / "run").read_text() for package in packages)


def check_cp(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).is_file(), arguments


def check_nginx(arguments: list[str]) -> None:
    assert arguments in (["-t"], ["-s", "reload"])


def check_gunicorn(arguments: list[str]) -> None:
    module, _, call = arguments[-1].partition(":")
    assert hasattr(importlib.import_module(module), call.removesuffix("()")), arguments


def check_node(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).is_file(), arguments


def check_npm(arguments: list[str]) -> None:
    command, option, folder = arguments
    assert (command, option) == ("ci", "--prefix"), arguments
    assert (ROOT / folder / "package-lock.json").is_file(), arguments


def check_curl(arguments: list[str]) -> None:
    (address,) = arguments
    assert address.startswith("http://127.0.0.1:8090/inventory"), arguments


def check_openssl(arguments: list[str]) -> None:
    assert arguments == ["rand", "-base64", "32"]


def check_git(arguments: list[str]) -> None:
    assert arguments == ["push", "heroku", "main"]


def check_heroku(arguments: list[str]) -> None:
    """Hold what is said about Heroku against the files that it reads."""
    manifest = json.loads((ROOT / "app.json").read_text())
    said = arguments[1:]
    match arguments[0]:
        case "create" | "addons:wait" | "releases:output":
            assert not said
        case "addons:create":
            assert set(said) <= set(manifest["addons"])
        case "config:set":
            assert {each.partition("=")[0] for each in said} <= set(ALL)
        case "ps:scale":
            assert dict(each.split("=") for each in said) == {
                name: str(process["quantity"])
                for name, process in manifest["formation"].items()
                if process["quantity"]
            }
        case "run":
            assert ".profile" in {entry.name for entry in ROOT.iterdir()}
            CHECKS[said[0]](said[1:])
        case other:
            pytest.fail(f"heroku {other} is not checked")


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "alembic": check_alembic,
    "apt-get": check_apt_get,
    "coinflowctl": check_coinflowctl,
    "cp": check_cp,
    "curl": check_curl,
    "git": check_git,
    "gunicorn": check_gunicorn,
    "heroku": check_heroku,
    "make": check_make,
    "nginx": check_nginx,
    "node": check_node,
    "npm": check_npm,
    "openssl": check_openssl,
    "pip": check_pip,
    "pytest": check_pytest,
    "python": check_python,
}
