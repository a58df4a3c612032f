import asyncio

from structlog.testing import capture_logs

from receiver.refusals import Refusals


def test_any_number_of_refusals_is_one_line_per_interval() -> None:
    async def scenario() -> None:
        refusals = Refusals(interval=0.1)
        for number in range(10_000):
            refusals.note("wrong key" if number % 2 else "no key")
        await asyncio.sleep(0.25)
        refusals.note("later")

    with capture_logs() as lines:
        asyncio.run(scenario())
    assert [(line["count"], line["reasons"]) for line in lines] == [
        (1, {"no key": 1}),
        (9_999, {"no key": 4_999, "wrong key": 5_000}),
        (1, {"later": 1}),
    ]
