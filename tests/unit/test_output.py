"""Tables of commands, in a terminal and through a pipe."""

import sys

import pytest

from tasks.cli.output import print_table

ID = "7ee2675f-10d4-45d4-a0dc-4a052c31a2f3"
REASON = "sword costs 5.00 USD, but the payment's subtotal is 4.50 USD; the price list in force says so"
ROWS = [
    {"payment_id": ID, "state": "refused", "reason": REASON, "item": None, "values": {"a": 1, "b": "x y"}},
    {"payment_id": "pay", "state": "granted", "reason": None, "item": None, "values": {}},
]


@pytest.fixture
def _narrow(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001  # what is patched
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    monkeypatch.setenv("COLUMNS", "80")


def test_through_a_pipe_each_row_is_a_line_whatever_its_width(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Payments", ROWS)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    (line,) = [line for line in printed.splitlines() if ID in line]
    assert REASON in line
    assert "item" not in printed


@pytest.mark.usefixtures("_narrow")
def test_in_a_terminal_that_is_too_narrow_each_value_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Payments", ROWS)
    assert capsys.readouterr().out == (
        "Payments\n"
        "\n"
        f"  payment id  {ID}\n"
        "  state       refused\n"
        f"  reason      {REASON}\n"
        "  values      a: 1\n"
        "              b: x y\n"
        "\n"
        "  payment id  pay\n"
        "  state       granted\n"
        "\n"
    )


@pytest.mark.usefixtures("_narrow")
def test_in_a_terminal_that_is_wide_enough_it_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Payments", ROWS[1:])
    assert "payment id" in capsys.readouterr().out.splitlines()[2]


@pytest.mark.usefixtures("_narrow")
def test_a_title_from_outside_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Wallet a\nb", ROWS)
    assert capsys.readouterr().out.splitlines()[0] == "Wallet a\\nb"


def test_a_table_as_it_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Items", [{"item": "剣", "values": {"a": 1, "b": 2}}, {"item": "sword", "values": {}}])
    assert capsys.readouterr().out == (
        "Items\n\n  item    values\n ----------------\n  剣      a: 1\n          b: 2\n  sword\n\n"
    )
