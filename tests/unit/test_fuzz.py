"""The fuzzing's properties, for as long as a test may take."""

import asyncio
from collections.abc import Iterator
from contextlib import redirect_stdout
from random import Random

import pytest
from hypothesis import given, settings

from tests.fuzz.cases import Case, cases, make_case
from tests.fuzz.door import Door


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    door = Door()
    with redirect_stdout(door.log):
        yield door


@settings(max_examples=150)
@given(case=cases)
def test_no_request_is_answered_wrongly(door: Door, case: Case) -> None:
    asyncio.run(door.check([case]))


def test_many_at_a_time_are_answered_as_rightly(door: Door) -> None:
    async def scenario() -> None:
        random = Random(20_260_901)
        for _ in range(30):
            await door.check([make_case(random) for _ in range(50)])

    asyncio.run(scenario())
    assert {answer[:3] for answer in door.answers} == {"200", "400", "401", "404", "405", "413"}
