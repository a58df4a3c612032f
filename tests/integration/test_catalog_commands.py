"""`coinflowctl catalog` on real databases."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import Engine, func, insert, select

from tasks.store.schema import price_lists
from tests.integration import commands


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
    return commands.ctl("catalog", *arguments)


def read(*arguments: str) -> Any:
    return commands.read("catalog", *arguments)


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
    second = read("apply", "--as", "bob", "--reason", "dearer steel")["price_list"]
    listed = commands.read("actions", "list")
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


EXTENDED = """
overpayment = { percent = 5 }

[only]
env = "production"

[items.sword]
price = [{ cents = 499 }, { cents = 460, currency = "EUR" }]
former_prices = [{ cents = 450, ended = 2026-11-01T00:00:00Z, grace_days = 7 }]
recipient = true

[items.badge]
price = { cents = 300 }
limit = 2
once_per = "orderId"

[items.credits]
price = { cents = 5, per = 100 }

[items.honours]
price = { cents = 550 }
grants = { sword = 1, badge = 2 }
refund = "proportional"

[items.donation]
price = "any"

[coupons.WELCOME20]
percent = 20
until = 2999-12-31T00:00:00Z
items = ["sword"]

[plans.gold]
item = "badge"
price_range = { from = 1, to = 300 }
"""


def test_show_tells_all_that_a_list_means(path: Path) -> None:
    path.write_text(EXTENDED)
    applied = catalog("apply")
    assert "any amount buys donation: safe only where the checkout is tokenised (JWT)" in applied.stderr
    told = catalog("show").stdout
    rows = [line.split() for line in told.splitlines()]
    for row in (
        "sword 499 USD",
        "sword 460 EUR",
        "sword 450 USD 2026-11-08 00:00:00",
        "credits 5 100 USD",
        "donation any",
        "sword keep may be named",
        "badge keep 2 orderId",
        "honours proportional sword: 1",
        "badge: 2",
        "WELCOME20 20 2999-12-31 00:00:00 sword",
        "gold badge 1 1 to 300 cents USD",
    ):
        assert row.split() in rows, row
    assert "up to 5 percent" in told
    assert "Only payments whose webhookInfo says env = production." in told


def test_show_gives_all_that_a_list_means_to_programs(path: Path) -> None:
    path.write_text(EXTENDED)
    read("apply")
    shown = read("show")
    items = {each["item"]: each for each in shown["items"]}
    assert [(price["cents"], price["currency"]) for price in items["sword"]["prices"]] == [
        (499, "USD"),
        (460, "EUR"),
    ]
    assert items["credits"]["prices"] == [{"cents": 5, "per": 100, "currency": "USD"}]
    assert (items["donation"]["prices"], items["donation"]["cents"]) == ("any", None)
    assert (items["badge"]["limit"], items["badge"]["once_per"]) == (2, "orderId")
    assert items["honours"]["grants"] == {"sword": 1, "badge": 2}
    assert (shown["coupons"][0]["coupon"], shown["coupons"][0]["percent"]) == ("WELCOME20", 20)
    assert shown["plans"][0]["price_range"] == {"from": 1, "to": 300, "currency": "USD"}
    assert (shown["overpayment"], shown["only"]) == ({"percent": 5}, {"env": "production"})


def test_check_says_what_would_change_and_accepts_nothing(engine: Engine, path: Path, tmp_path: Path) -> None:
    path.write_text(EXTENDED)
    read("apply")
    other = tmp_path / "other.toml"
    edits = (("percent = 20", "percent = 25"), ("limit = 2", "limit = 3"), ('env = "production"', ""))
    text = EXTENDED
    for old, new in edits:
        text = text.replace(old, new)
    other.write_text(text)
    document = read("check", str(other))
    assert [change["item"] for change in document["changes"]] == ["badge"]
    assert [(each["term"], each["name"]) for each in document["other_changes"]] == [
        ("coupons", "WELCOME20"),
        ("only", "env"),
    ]
    told = " ".join(catalog("check", str(other)).stdout.split())
    assert "can be accepted. It has 5 items, 1 coupons and 1 plans. It would change" in told
    assert "only env value production none" in told
    assert "donation" in catalog("check", str(other)).stderr
    assert "It would change: none" in catalog("check", str(path)).stdout
    assert count(engine) == 1


def test_check_names_line_and_reason_of_a_fault(path: Path) -> None:
    path.write_text("[items.sword]\nprice = { cents = 0 }\n")
    refused = catalog("check", str(path), "--json")
    assert refused.exit_code == 1
    assert f"{path}, line 2: items.sword.price" in refused.stderr
    assert json.loads(refused.stdout)["fault"]["line"] == 2


def test_check_needs_no_database(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(EXTENDED)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/nowhere/coinflow.sqlite3")
    document = read("check", str(path))
    assert (document["fault"], document["changes"]) == (None, None)
    told = catalog("check", str(path)).stdout
    assert "What it would change is unknown." in told


def test_price_says_what_a_checkout_must_charge(path: Path) -> None:
    path.write_text(EXTENDED)
    read("apply")
    typed = "--item sword --quantity 3 --item badge --item credits --quantity 250 --coupon WELCOME20"
    cart = typed.split()
    document = read("price", *cart)
    # Three swords are 1497 cents, of which the coupon leaves 1197.6.
    assert [(line["item"], line["quantity"], line["cents"]) for line in document["lines"]] == [
        ("sword", 3, 1197),
        ("badge", 1, 300),
        ("credits", 250, 13),
    ]
    assert (document["cents"], document["currency"]) == (1510, "USD")
    assert "A checkout must charge 1510 cents USD." in catalog("price", *cart).stdout
    assert read("price", "--item", "sword", "--currency", "EUR")["cents"] == 460


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        ("--item bow", 1, "ItemUnknown: The price list has no item 'bow'."),
        ("--item sword --coupon WELCOME", 1, "CouponInvalid: The price list has no coupon 'WELCOME'."),
        ("--item badge --currency EUR", 1, "nothing in EUR"),
        ("--item donation", 1, "Any amount buys donation"),
        ("--quantity 2 --item sword", 2, "--quantity belongs to the --item before it."),
        ("--item sword --quantity 2 --quantity 3", 2, "--quantity belongs to the --item before it."),
        ("--item sword --quantity 0", 2, "0 is not in the range"),
        ("--item sword " * 101, 2, "at most 100 lines"),
    ],
)
def test_price_says_why_there_is_none(path: Path, arguments: str, code: int, why: str) -> None:
    path.write_text(EXTENDED)
    read("apply")
    refused = catalog("price", *arguments.split())
    assert refused.exit_code == code
    assert why in refused.stderr


def test_before_the_first_list_price_names_the_next_step() -> None:
    refused = catalog("price", "--item", "sword")
    assert refused.exit_code == 1
    assert "coinflowctl catalog apply" in refused.stderr
