import asyncio
from collections.abc import Sized
from typing import Any

from structlog.testing import capture_logs

from receiver.tally import Tally, TallyLog
from tests.waiting import wait_until


def test_each_interval_is_a_line_and_the_end_tells_the_rest() -> None:
    async def scenario(lines: Sized) -> None:
        tally = Tally()
        log = TallyLog(tally, interval=0.05, last_interval=0.05)
        log.start()
        tally.hand_off(events=3, answered=2, seconds=0.25)
        tally.hand_off(events=1, answered=1, seconds=0.5)
        tally.refuse(401, "wrong_key")
        await _reach(lines, 1)
        tally.refuse(401, "wrong_key")
        tally.refuse(400, "not_json")
        await _reach(lines, 2)
        tally.hand_off(events=1, answered=1, seconds=0.125)
        log.hurry()
        assert len(lines) == 3
        tally.refuse(503, "broker_away")
        await _reach(lines, 4)
        tally.refuse(503, "broker_slow")
        log.close()
        assert len(lines) == 5

    with capture_logs() as lines:
        asyncio.run(scenario(lines))
    assert lines == [
        _line({200: 3, 401: 1}, {"wrong_key": 1}, hand_offs=2, events=4, seconds=0.75, slowest=0.5),
        _line({400: 1, 401: 1}, {"wrong_key": 1, "not_json": 1}),
        _line({200: 1}, {}, hand_offs=1, events=1, seconds=0.125, slowest=0.125),
        _line({503: 1}, {"broker_away": 1}),
        _line({503: 1}, {"broker_slow": 1}),
    ]


def test_where_nothing_was_counted_there_is_no_line_and_totals_only_rise() -> None:
    tally = Tally()
    tally.hand_off(events=2, answered=2, seconds=0.5)
    before = tally.totals()
    log = TallyLog(tally)
    with capture_logs() as lines:
        log.close()
    assert lines == []
    tally.hand_off(events=1, answered=0, seconds=0.5)
    now = tally.totals()
    assert (before.answers, before.events) == ({200: 2}, 2)
    assert (now.answers, now.hand_offs, now.events, now.hand_off_seconds) == ({200: 2}, 2, 3, 1.0)


def _line(
    answers: dict[int, int], refusals: dict[str, int], hand_offs: int = 0, events: int = 0, **seconds: float
) -> dict[str, Any]:
    return {
        "event": "answers.counted",
        "log_level": "info",
        "answers": answers,
        "refusals": refusals,
        "hand_offs": hand_offs,
        "events": events,
        "hand_off_seconds": seconds.get("seconds", 0),
        "slowest_hand_off_seconds": seconds.get("slowest", 0),
    }


async def _reach(lines: Sized, count: int) -> None:
    await asyncio.to_thread(wait_until, lambda: len(lines) >= count, seconds=10, what=f"{count} lines")
