"""A person who sends a sample is told what it came to."""

import uuid

import pytest
from click.testing import CliRunner, Result

from tasks.cli import main
from tests.stack import Stack


def trigger(stack: Stack, *arguments: str) -> Result:
    return CliRunner(env=stack.environment).invoke(main, ["trigger", *arguments])


@pytest.fixture
def wallet() -> str:
    return f"wallet-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Settled"], "GRANTED: {wallet} has 1 sword."),
        (["Settled", "--cents", "1"], "REFUSED: 1 x sword costs 500 cents USD"),
        (["Card Payment Authorized"], "NOT PAID: "),
        (["Some Future Event"], "HANDLED: "),
    ],
)
def test_what_became_of_it_is_told(stack: Stack, wallet: str, arguments: list[str], said: str) -> None:
    done = trigger(stack, *arguments, "--item", "sword", "--wallet", wallet, "--wait")
    assert done.exit_code == 0, done.output
    sent, came_to = done.stdout.splitlines()
    assert sent.startswith(f"200 {arguments[0]} ")
    assert came_to.startswith(said.format(wallet=wallet))


def test_copies_are_told_in_one_line(stack: Stack, wallet: str) -> None:
    done = trigger(
        stack, "Settled", "--wallet", wallet, "--payment-id", wallet, "--times", "20", "--concurrency", "5"
    )
    assert done.output == f"200 Settled {wallet} (20 times)\n"


def test_a_refusal_is_told_with_the_reason_that_came(stack: Stack) -> None:
    done = trigger(stack, "Settled", "--payment-id", "pay", "--set", "eventType=", "--wait")
    assert done.exit_code == 1
    assert done.stdout.startswith("400 Settled pay: Not a Coinflow event. eventType: ")


def test_a_misspelt_type_is_told_of_and_sent(stack: Stack) -> None:
    done = trigger(stack, "Setled", "--payment-id", "pay")
    assert done.exit_code == 0
    assert done.stderr == "Coinflow documents no Setled. Did you mean Settled?\n"
