import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

import pytest
from structlog.testing import capture_logs

from receiver.envelope import Envelope
from receiver.handoff import BrokerUnavailable, HandOff, Limits
from receiver.tally import Tally


class Broker:
    """Records what was published; stalls while `open` is not set, fails while `error` is."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.error: Exception | None = None

    def publish(self, events: Sequence[dict[str, str]]) -> str:
        self.entered.set()
        self.open.wait(10)
        if self.error:
            raise self.error
        self.groups.append([event["body"] for event in events])
        return f"task-{len(self.groups)}"


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def stalled(broker: Broker) -> Broker:
    broker.open.clear()
    return broker


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in an event loop of its own."""

    @wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


@asynccontextmanager
async def handing_off(broker: Broker, tally: Tally | None = None, **settings: Any) -> AsyncIterator[HandOff]:
    """Hand off to a broker, and let what is under way end."""
    hand_off = HandOff(broker.publish, tally or Tally(), **settings)
    try:
        yield hand_off
    finally:
        await hand_off.close()


def event(body: str) -> Envelope:
    return Envelope("Settled", body, f"of {body}")


def deliver_all(hand_off: HandOff, bodies: Sequence[str]) -> Any:
    return asyncio.gather(*(hand_off.deliver(event(body)) for body in bodies), return_exceptions=True)


async def under_way(hand_off: HandOff, stalled: Broker, body: str) -> asyncio.Future[Any]:
    """Return a delivery that is being published."""
    first = asyncio.ensure_future(hand_off.deliver(event(body)))
    await asyncio.to_thread(stalled.entered.wait, 10)
    return first


@in_a_loop
async def test_alone_a_delivery_waits_for_nobody(broker: Broker) -> None:
    async with handing_off(broker) as hand_off:
        for body in ("a", "b"):
            await hand_off.deliver(event(body))
    assert broker.groups == [["a"], ["b"]]


@in_a_loop
async def test_deliveries_during_a_publish_go_together_in_the_next(stalled: Broker) -> None:
    bodies = [f"other-{number}" for number in range(20)]
    async with handing_off(stalled) as hand_off:
        first = await under_way(hand_off, stalled, "first")
        others = deliver_all(hand_off, bodies)
        await asyncio.sleep(0)
        stalled.open.set()
        await first
        assert await others == [None] * 20
        assert stalled.groups == [["first"], bodies]


@pytest.mark.parametrize("limits", [Limits(events=4), Limits(bytes=20)])
@in_a_loop
async def test_a_group_is_bounded_and_loses_nobody(broker: Broker, limits: Limits) -> None:
    bodies = [f"{number:05}" for number in range(30)]
    async with handing_off(broker, limits=limits) as hand_off:
        assert await deliver_all(hand_off, bodies) == [None] * 30
    assert sorted(sum(broker.groups, [])) == bodies  # noqa: RUF017  # thirty of them
    assert max(map(len, broker.groups)) == 4


@in_a_loop
async def test_a_failed_publish_refuses_its_group_and_no_later_one(broker: Broker) -> None:
    broker.error = ConnectionRefusedError()
    async with handing_off(broker) as hand_off:
        answers = await deliver_all(hand_off, ["a", "b"])
        assert [type(answer) for answer in answers] == [BrokerUnavailable] * 2
        broker.error = None
        await hand_off.deliver(event("c"))
    assert broker.groups == [["c"]]


@in_a_loop
async def test_a_stalled_broker_is_given_up_in_time_and_what_was_given_up_is_not_published(
    stalled: Broker,
) -> None:
    loop = asyncio.get_running_loop()
    async with handing_off(stalled, timeout=0.2) as hand_off:
        began = loop.time()
        first = await under_way(hand_off, stalled, "under way")
        answers = await asyncio.gather(first, hand_off.deliver(event("never begun")), return_exceptions=True)
        assert [type(answer) for answer in answers] == [BrokerUnavailable] * 2
        assert loop.time() - began < 2
        stalled.open.set()
        await hand_off.deliver(event("later"))
    assert stalled.groups == [["under way"], ["later"]]


@in_a_loop
async def test_no_more_bytes_wait_than_memory_is_meant_for(stalled: Broker) -> None:
    async with handing_off(stalled, timeout=5, limits=Limits(waiting_bytes=10)) as hand_off:
        first = await under_way(hand_off, stalled, "x")
        second = asyncio.ensure_future(hand_off.deliver(event("y" * 8)))
        await asyncio.sleep(0)
        with pytest.raises(BrokerUnavailable, match="Too many"):
            await hand_off.deliver(event("z" * 8))
        stalled.open.set()
        await asyncio.gather(first, second)
        await hand_off.deliver(event("z" * 8))


@in_a_loop
async def test_a_group_waits_for_as_many_as_there_were_and_not_for_long(broker: Broker) -> None:
    loop = asyncio.get_running_loop()
    async with handing_off(broker, limits=Limits(gathering=1)) as hand_off:
        await deliver_all(hand_off, [f"first-{number}" for number in range(3)])
        began = loop.time()
        early = asyncio.ensure_future(hand_off.deliver(event("early")))
        await asyncio.wait([early], timeout=0.01)
        await deliver_all(hand_off, ["second", "third"])
        await early
        assert loop.time() - began < 1
        await hand_off.deliver(event("alone"))
        assert loop.time() - began >= 1
        began = loop.time()
        await hand_off.deliver(event("alone again"))
        assert loop.time() - began < 1
    assert [len(group) for group in broker.groups] == [3, 3, 1, 1]


@in_a_loop
async def test_each_delivery_is_given_up_at_its_own_time(stalled: Broker) -> None:
    loop = asyncio.get_running_loop()
    async with handing_off(stalled, timeout=0.5) as hand_off:

        async def waited(body: str) -> float:
            began = loop.time()
            with pytest.raises(BrokerUnavailable, match="within"):
                await hand_off.deliver(event(body))
            return loop.time() - began

        first = asyncio.ensure_future(waited("first"))
        await asyncio.wait([first], timeout=0.25)
        assert not first.done()
        second = asyncio.ensure_future(waited("second"))
        assert await first == pytest.approx(0.5, abs=0.2)
        assert not second.done()
        assert await second == pytest.approx(0.5, abs=0.2)
        stalled.open.set()


@in_a_loop
async def test_whoever_has_left_is_not_published(stalled: Broker) -> None:
    async with handing_off(stalled) as hand_off:
        first = await under_way(hand_off, stalled, "first")
        left = asyncio.ensure_future(hand_off.deliver(event("left")))
        stays = asyncio.ensure_future(hand_off.deliver(event("stays")))
        await asyncio.sleep(0)
        left.cancel()
        stalled.open.set()
        await asyncio.gather(first, stays)
    assert stalled.groups == [["first"], ["stays"]]


@in_a_loop
async def test_the_log_tells_of_a_group_in_one_line(broker: Broker) -> None:
    with capture_logs() as lines:
        async with handing_off(broker) as hand_off:
            nameless = hand_off.deliver(Envelope("KYC Success", "{}", None))
            await asyncio.gather(nameless, *(hand_off.deliver(event(str(number))) for number in range(2)))
            await deliver_all(hand_off, [str(number) for number in range(101)])
    assert lines[0] == {
        "event": "deliveries.accepted",
        "log_level": "info",
        "task_id": "task-1",
        "events": 3,
        "event_types": {"KYC Success": 1, "Settled": 2},
        "payments": ["of 0", "of 1"],
    }
    assert [(line["task_id"], line["events"]) for line in lines[1:]] == [("task-2", 100), ("task-2", 1)]


@in_a_loop
async def test_each_event_of_a_group_has_its_own_context_or_none() -> None:
    published: list[dict[str, str]] = []

    def publish(events: Sequence[dict[str, str]]) -> str:
        published.extend(events)
        return "task"

    hand_off = HandOff(publish, Tally())
    await asyncio.gather(hand_off.deliver(event("traced"), "00-1-2-01"), hand_off.deliver(event("untraced")))
    await hand_off.close()
    traced, untraced = published
    assert traced["traceparent"] == "00-1-2-01"
    # Nobody sees a difference who does not trace.
    assert untraced.keys() == {"body", "received_at"}


@in_a_loop
async def test_what_is_confirmed_is_counted_and_whoever_was_still_there(stalled: Broker) -> None:
    tally = Tally()
    async with handing_off(stalled, tally) as hand_off:
        left = await under_way(hand_off, stalled, "left")
        left.cancel()
        # Its cancellation comes first.
        await asyncio.wait([left])
        stalled.open.set()
        assert await deliver_all(hand_off, ["a", "b"]) == [None] * 2
        stalled.error = ConnectionRefusedError()
        await deliver_all(hand_off, ["c"])
    totals = tally.totals()
    assert (totals.hand_offs, totals.events, totals.answers) == (2, 3, {200: 2})
    assert totals.hand_off_seconds >= tally.take_slowest() > 0
