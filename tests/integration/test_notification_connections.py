"""Connections of the notifications' client: kept, counted, and given up where they can lead astray."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tasks.notifications.addresses import Reach
from tasks.notifications.connector import Connector
from tasks.notifications.failure import Unanswered
from tasks.notifications.look_up import ask_system
from tasks.notifications.outcome import OutcomeKind
from tasks.notifications.progress import Progress
from tasks.notifications.request import Request
from tests.integration.notifying import BODY, DONE, client, post, post_once, reason
from tests.services import certificates
from tests.shop import Shop, Visit, always, answer
from tests.waiting import PATIENCE, wait_until


def test_a_connection_is_kept_for_the_next_notification() -> None:
    with Shop(always(answer(200, b"ok"))) as shop:
        assert post(shop.url, times=50) == [DONE] * 50
    assert shop.connections == 1


def test_a_connection_that_the_server_does_not_keep_is_not_used_again() -> None:
    with Shop(always(answer(200, b"ok", connection="close"))) as shop:
        assert post(shop.url, times=3) == [DONE] * 3
    assert shop.connections == 3


def test_no_more_than_the_concurrency_is_under_way_and_the_others_wait_their_turn() -> None:
    """The server answers nobody until as many are there as may be."""
    most = 4
    lock, there = threading.Lock(), threading.Barrier(most)
    counts = {"now": 0, "most": 0}

    def script(visit: Visit) -> None:
        while True:
            visit.request()
            with lock:
                counts["now"] += 1
                counts["most"] = max(counts["most"], counts["now"])
            there.wait(PATIENCE)
            with lock:
                counts["now"] -= 1
            visit.send(answer())

    async def scenario(url: str) -> None:
        async with client(url, concurrency=most) as posting:
            outcomes = await asyncio.gather(
                *(posting.post(f"msg_{number}", BODY) for number in range(5 * most))
            )
            assert outcomes == [DONE] * 5 * most

    with Shop(script) as shop:
        asyncio.run(scenario(shop.url))
    assert counts["most"] == most
    assert shop.connections <= most


def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    def once(visit: Visit) -> None:
        visit.request()
        visit.send(answer())
        visit.end()

    async def scenario(shop: Shop) -> None:
        async with client(shop.url) as posting:
            for number in range(3):
                assert await posting.post(f"msg_{number}", BODY) == DONE
                await left(shop, number + 1)

    with Shop(once) as shop:
        asyncio.run(scenario(shop))
    assert [each.headers["webhook-id"] for each in shop.asked] == ["msg_0", "msg_1", "msg_2"]
    assert shop.connections == 3


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.notifications.http.IDLE_SECONDS", 0)
    with Shop(always(answer())) as shop:
        assert post(shop.url, times=3) == [DONE] * 3
    assert shop.connections == 3


@pytest.mark.parametrize("leave", [Visit.close, Visit.reset])
def test_a_request_that_meets_the_end_of_an_idle_connection_is_sent_again(
    leave: Callable[[Visit], None],
) -> None:
    """Its fault is no failure of the endpoint: the same id comes on a new connection, within the same try."""

    def leaving(visit: Visit) -> None:
        visit.request()
        visit.send(answer())
        visit.request()
        if visit.number == 1:
            leave(visit)
        else:
            visit.send(answer())

    with Shop(leaving) as shop:
        assert post(shop.url, times=2) == [DONE, DONE]
    assert [each.headers["webhook-id"] for each in shop.asked] == ["msg_0", "msg_1", "msg_1"]
    assert shop.connections == 2


@pytest.mark.parametrize(
    ("leave", "how"), [(Visit.close, "closed the connection"), (Visit.reset, "reset the connection")]
)
def test_an_answer_that_is_lost_is_a_failure(leave: Callable[[Visit], None], how: str) -> None:
    def losing(visit: Visit) -> None:
        visit.request()
        leave(visit)

    with Shop(losing) as shop:
        outcome = post_once(shop.url)
    assert (outcome.kind, outcome.status) == (OutcomeKind.TRANSIENT, None)
    assert (
        reason(outcome)
        == f"127.0.0.1:{shop.port} {how} without an answer; what the server has done is unknown"
    )
    # A new connection was not idle, so there is no second one.
    assert shop.connections == 1


def test_a_server_that_leaves_in_the_middle_of_its_answer_is_not_asked_again() -> None:
    def breaking(visit: Visit) -> None:
        visit.request()
        visit.send(answer())
        visit.request()
        visit.send(b"HTTP/1.1 200")

    with Shop(breaking) as shop:
        first, second = post(shop.url, times=2)
    assert (first, second.kind) == (DONE, OutcomeKind.TRANSIENT)
    assert reason(second).endswith("closed the connection in the middle of its answer")
    assert shop.connections == 1


@pytest.mark.parametrize("more", [answer(200), b"more"], ids=["an answer", "garbage"])
def test_what_follows_an_answer_is_not_taken_for_the_next_one(more: bytes) -> None:
    """The second request is refused: an answer that was there before it must not stand in for that."""

    def talkative(visit: Visit) -> None:
        visit.request()
        if visit.number == 1:
            visit.send(answer(200) + more)
            visit.request()
        visit.send(answer(401))

    with Shop(talkative) as shop:
        first, second = post(shop.url, times=2)
    assert (first, second.kind) == (DONE, OutcomeKind.REFUSED)
    assert shop.connections == 2


def test_what_an_idle_server_says_unasked_ends_the_connection() -> None:
    said = threading.Event()

    def talkative(visit: Visit) -> None:
        visit.request()
        visit.send(answer(200 if visit.number == 1 else 401))
        said.wait(PATIENCE)
        visit.send(answer(200))
        visit.request()

    async def scenario(shop: Shop) -> None:
        async with client(shop.url) as posting:
            assert await posting.post("msg_1", BODY) == DONE
            said.set()
            await left(shop, 1)
            assert (await posting.post("msg_2", BODY)).kind is OutcomeKind.REFUSED

    with Shop(talkative) as shop:
        asyncio.run(scenario(shop))
    assert shop.connections == 2


def test_a_server_that_answers_without_reading_is_asked_on_another_connection() -> None:
    """On this one the next request would wait behind what nobody reads."""

    def hasty(visit: Visit) -> None:
        if visit.number == 1:
            visit.connection.recv(1)
            visit.send(answer())
            visit.wait()
        visit.request()
        visit.send(answer())

    async def scenario(url: str) -> None:
        async with client(url) as posting:
            assert await posting.post("msg_1", b"x" * 20_000_000) == DONE
            assert await posting.post("msg_2", BODY) == DONE

    with Shop(hasty) as shop:
        asyncio.run(scenario(shop.url))
    assert shop.connections == 2


def test_a_connection_that_ended_before_it_was_used_fails_at_once() -> None:
    async def scenario(port: int) -> None:
        url = httpx2.URL(f"http://127.0.0.1:{port}/")
        connection = await Connector(url, Reach(this_machine=True), None, ask_system).connect(Progress())
        await connection.ended
        with pytest.raises(Unanswered):
            async with asyncio.timeout(PATIENCE):
                await connection.ask(Request(b"/", [(b"host", b"shop.example")], b""), Progress())

    with Shop(Visit.close) as shop:
        asyncio.run(scenario(shop.port))


def test_a_post_that_is_given_up_leaves_nothing_behind() -> None:
    """The worker stops: the connection ends at once, and the client is of use."""

    def slow_once(visit: Visit) -> None:
        visit.request()
        if visit.number == 1:
            visit.outlast()
        else:
            visit.send(answer())
            visit.request()

    async def scenario(shop: Shop) -> None:
        async with client(shop.url, concurrency=1) as posting:
            given_up = asyncio.create_task(posting.post("msg_1", BODY))
            await asyncio.to_thread(wait_until, lambda: shop.asked, what="the request is there")
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
            await left(shop, 1)
            assert await posting.post("msg_2", BODY) == DONE

    with Shop(slow_once) as shop:
        asyncio.run(scenario(shop))


def test_the_client_closes_all_that_it_kept(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    for tls in (None, made):
        with Shop(always(answer()), tls=tls) as shop:
            assert post_once(shop.url, ca_file=made.authority) == DONE
            wait_until(lambda: shop.left == 1, what="the server has seen the end")


async def left(shop: Shop, connections: int) -> None:
    """Return once the client has left so many connections, as the server sees it."""
    await asyncio.to_thread(wait_until, lambda: shop.left == connections, what="the client has left")
