import asyncio
from collections.abc import Sized

from structlog.testing import capture_logs

from receiver.refusals import Refusals
from tests.waiting import wait_until


def test_any_number_of_refusals_is_one_line_per_interval() -> None:
    async def scenario(lines: Sized) -> None:
        refusals = Refusals(interval=0.1)
        for number in range(10_000):
            refusals.note("wrong key" if number % 2 else "no key")
        assert len(lines) == 1
        await _reach(lines, 2)
        refusals.note("later")
        await _reach(lines, 3)

    with capture_logs() as lines:
        asyncio.run(scenario(lines))
    assert [(line["count"], line["reasons"]) for line in lines] == [
        (1, {"no key": 1}),
        (9_999, {"no key": 4_999, "wrong key": 5_000}),
        (1, {"later": 1}),
    ]


async def _reach(lines: Sized, count: int) -> None:
    await asyncio.to_thread(wait_until, lambda: len(lines) >= count, seconds=10, what=f"{count} lines")
