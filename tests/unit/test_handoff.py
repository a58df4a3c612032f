import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from receiver.handoff import BrokerUnavailable, HandOff, Limits


class Broker:
    """Records what was published; stalls while `open` is not set, fails while `error` is."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.error: Exception | None = None

    def publish(self, events: Sequence[dict[str, str]]) -> None:
        self.entered.set()
        self.open.wait(10)
        if self.error:
            raise self.error
        self.groups.append([event["body"] for event in events])


def deliver_all(hand_off: HandOff, bodies: Sequence[str]) -> Any:
    return asyncio.gather(*(hand_off.deliver(body) for body in bodies), return_exceptions=True)


def test_alone_a_delivery_waits_for_nobody() -> None:
    async def scenario() -> None:
        broker = Broker()
        hand_off = HandOff(broker.publish)
        for body in ("a", "b"):
            await hand_off.deliver(body)
        await hand_off.close()
        assert broker.groups == [["a"], ["b"]]

    asyncio.run(scenario())


def test_deliveries_during_a_publish_go_together_in_the_next() -> None:
    async def scenario() -> None:
        broker = Broker()
        broker.open.clear()
        hand_off = HandOff(broker.publish)
        first = asyncio.ensure_future(hand_off.deliver("first"))
        await asyncio.to_thread(broker.entered.wait, 10)
        others = deliver_all(hand_off, [f"other-{number}" for number in range(20)])
        await asyncio.sleep(0)
        broker.open.set()
        await first
        assert await others == [None] * 20
        assert broker.groups == [["first"], [f"other-{number}" for number in range(20)]]
        await hand_off.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("limits", [Limits(events=4), Limits(bytes=20)])
def test_a_group_is_bounded_and_loses_nobody(limits: Limits) -> None:
    async def scenario() -> None:
        broker = Broker()
        hand_off = HandOff(broker.publish, limits=limits)
        bodies = [f"{number:05}" for number in range(30)]
        assert await deliver_all(hand_off, bodies) == [None] * 30
        await hand_off.close()
        assert sorted(sum(broker.groups, [])) == bodies  # noqa: RUF017  # thirty of them
        assert max(map(len, broker.groups)) == 4

    asyncio.run(scenario())


def test_a_failed_publish_refuses_its_group_and_no_later_one() -> None:
    async def scenario() -> None:
        broker = Broker()
        broker.error = ConnectionRefusedError()
        hand_off = HandOff(broker.publish)
        answers = await deliver_all(hand_off, ["a", "b"])
        assert [type(answer) for answer in answers] == [BrokerUnavailable] * 2
        broker.error = None
        await hand_off.deliver("c")
        await hand_off.close()
        assert broker.groups == [["c"]]

    asyncio.run(scenario())


def test_a_stalled_broker_is_given_up_in_time_and_what_was_given_up_is_not_published() -> None:
    async def scenario() -> None:
        broker = Broker()
        broker.open.clear()
        hand_off = HandOff(broker.publish, timeout=0.2)
        loop = asyncio.get_running_loop()
        began = loop.time()
        first = asyncio.ensure_future(hand_off.deliver("under way"))
        await asyncio.to_thread(broker.entered.wait, 10)
        answers = await asyncio.gather(first, hand_off.deliver("never begun"), return_exceptions=True)
        assert [type(answer) for answer in answers] == [BrokerUnavailable] * 2
        assert loop.time() - began < 2
        broker.open.set()
        await hand_off.deliver("later")
        await hand_off.close()
        assert broker.groups == [["under way"], ["later"]]

    asyncio.run(scenario())


def test_no_more_bytes_wait_than_memory_is_meant_for() -> None:
    async def scenario() -> None:
        broker = Broker()
        broker.open.clear()
        hand_off = HandOff(broker.publish, timeout=5, limits=Limits(waiting_bytes=10))
        first = asyncio.ensure_future(hand_off.deliver("x"))
        await asyncio.to_thread(broker.entered.wait, 10)
        second = asyncio.ensure_future(hand_off.deliver("y" * 8))
        await asyncio.sleep(0)
        with pytest.raises(BrokerUnavailable, match="Too many"):
            await hand_off.deliver("z" * 8)
        broker.open.set()
        await asyncio.gather(first, second)
        await hand_off.deliver("z" * 8)
        await hand_off.close()

    asyncio.run(scenario())
