"""`coinflowctl catalog` on real databases."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, func, insert, select

from tasks.cli import main
from tasks.store.schema import price_lists


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    """Return a database in which no list was ever accepted."""
    return migrated


@pytest.fixture(autouse=True)
def path(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG001  # commands use it
    path = tmp_path / "catalog.toml"
    monkeypatch.setenv("CATALOG_PATH", str(path))
    return path


def write(path: Path, **cents: int) -> None:
    path.write_text(
        "".join(f"[items.{item}]\nprice = {{ cents = {each} }}\n" for item, each in cents.items())
    )


def catalog(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["catalog", *arguments])


def read(*arguments: str) -> Any:
    done = catalog(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(price_lists)).scalar_one()


def test_apply_puts_the_file_in_force_and_tells_what_changes(path: Path) -> None:
    write(path, sword=500, shield=750)
    first = read("apply")
    assert (first["accepted"], first["file"], first["price_list"]["id"]) == (True, str(path), 1)
    assert [(change["item"], change["before"]) for change in first["changes"]] == [
        ("sword", None),
        ("shield", None),
    ]
    write(path, sword=600, potion=125)
    told = catalog("apply").stdout
    assert f"{path} is in force now: price list " in told
    rows = [line.split() for line in told.splitlines()]
    assert ["sword", "500", "USD", "600", "USD"] in rows
    assert ["shield", "750", "USD", "not", "sold"] in rows
    assert ["potion", "not", "sold", "125", "USD"] in rows


def test_apply_tells_who_did_it_and_why(path: Path) -> None:
    write(path, sword=500)
    first = read("apply", "--as", "alice")["price_list"]
    assert first["accepted_by"] == "alice"
    write(path, sword=600)
    second = read("apply", "--as", "bob", "--why", "dearer steel")["price_list"]
    listed = json.loads(CliRunner().invoke(main, ["actions", "list", "--json"]).stdout)
    assert [(each["who"], each["what"], each["why"]) for each in listed] == [
        ("alice", "apply", None),
        ("bob", "apply", "dearer steel"),
    ]
    assert listed[1]["subject"] == "price list 2"
    assert listed[1]["before"] == {"content_hash": first["content_hash"]}
    assert listed[1]["after"] == {"content_hash": second["content_hash"]}


def test_apply_again_changes_nothing(engine: Engine, path: Path) -> None:
    write(path, sword=500)
    accepted = read("apply")["price_list"]
    again = read("apply")
    assert (again["accepted"], again["price_list"], again["changes"]) == (False, accepted, [])
    assert "in force already" in catalog("apply").stdout
    assert count(engine) == 1


@pytest.mark.parametrize("text", ["[items.sword]\nprice = 5\n", None])
def test_apply_refuses_a_broken_list(engine: Engine, path: Path, text: str | None) -> None:
    write(path, sword=500)
    read("apply")
    path.unlink()
    if text:
        path.write_text(text)
    refused = catalog("apply")
    assert refused.exit_code == 1
    assert (f"{path}, line 2: items.sword.price" if text else "CATALOG_PATH") in refused.stderr
    assert "Nothing was changed." in refused.stderr
    assert "Traceback" not in refused.output
    assert count(engine) == 1


def test_show_tells_what_is_in_force_and_what_the_file_would_change(path: Path) -> None:
    write(path, sword=500)
    accepted = read("apply")["price_list"]
    same = read("show")
    assert (same["price_list"], same["changes"], same["fault"]) == (accepted, [], None)
    write(path, sword=600)
    shown = read("show")
    assert shown["price_list"] == accepted
    assert [(item["item"], item["cents"]) for item in shown["items"]] == [("sword", 500)]
    ((before, after),) = [
        (change["before"]["cents"], change["after"]["cents"]) for change in shown["changes"]
    ]
    assert (before, after) == (500, 600)
    told = catalog("show").stdout
    assert f"In force: price list {accepted['content_hash'][:8]}, accepted 20" in told
    assert "coinflowctl catalog apply" in told


def test_show_tells_what_is_in_force_beside_a_broken_file(path: Path) -> None:
    write(path, sword=500)
    read("apply")
    path.write_text("[items.sword]\n")
    shown = catalog("show", "--json")
    assert shown.exit_code == 1
    document = json.loads(shown.stdout)
    assert [item["item"] for item in document["items"]] == ["sword"]
    assert document["fault"] == {"line": 1, "reason": "items.sword.price: Field required"}
    assert f"{path}, line 1: items.sword.price" in shown.stderr
    assert "last good list" in shown.stderr


def test_before_the_first_list_show_names_the_next_step(path: Path) -> None:
    write(path, sword=500)
    assert "coinflowctl catalog apply" in catalog("show").stdout
    shown = read("show")
    assert (shown["price_list"], shown["items"], len(shown["changes"])) == (None, [], 1)


def test_a_list_in_force_that_cannot_be_read_is_told_and_replaced(engine: Engine, path: Path) -> None:
    write(path, sword=500)
    row = {"content_hash": "a" * 64, "text": "[things]\n", "accepted_at": datetime.now(UTC)}
    with engine.begin() as connection:
        connection.execute(insert(price_lists), {**row, "accepted_by": "a newer version"})
    refused = catalog("show")
    assert refused.exit_code == 1
    assert "catalog apply" in refused.stderr
    assert read("apply")["accepted"]
    assert [item["item"] for item in read("show")["items"]] == ["sword"]
