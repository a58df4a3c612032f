"""Where a notification may go: the address that is connected to is checked, whatever the name says later."""

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx2
import pytest

from tasks.notifications.look_up import AddressInfo, ask_system
from tasks.notifications.outcome import OutcomeKind
from tests.integration.notifying import BODY, DONE, client, leading_to, post, post_once, reason
from tests.services import free_port
from tests.shop import Shop, always, answer

#: This machine, in every spelling that a resolver or a URL knows.
THIS_MACHINE = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "0177.1",
    "0",
    "0.0.0.0",
    "localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
]


@pytest.mark.parametrize("host", THIS_MACHINE)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_this_machine_is_let_through(host: str, scheme: str) -> None:
    with Shop(always(answer())) as shop:
        outcome = post_once(f"{scheme}://{host}:{shop.port}/", allow_this_machine=False)
    assert (outcome.kind, outcome.status) == (OutcomeKind.REFUSED, None), outcome
    assert "NOTIFY_ALLOW_PRIVATE" in reason(outcome)
    assert shop.connections == 0


@pytest.mark.parametrize("host", ["0177.0.0.1", "①27.0.0.1", "127.0.0.256", "[::ffff:127.0.0.1"])
def test_a_spelling_that_can_be_read_in_two_ways_is_no_url(host: str) -> None:
    with pytest.raises(httpx2.InvalidURL):
        client(f"https://{host}/")


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("10.0.0.1", "10.0.0.1 is a private address"),
        ("167772161", "167772161 leads to 10.0.0.1, a private address"),
        ("169.254.169.254", "169.254.169.254 is an address of a cloud's metadata"),
        ("[fd00:ec2::254]", "fd00:ec2::254 is a private address"),
        ("[64:ff9b::a00:1]", "64:ff9b::a00:1 is a private address"),
        ("100.64.0.1", "100.64.0.1 is a private address of a provider"),
    ],
)
def test_a_private_address_is_refused_without_being_asked(host: str, what: str) -> None:
    outcome = post_once(f"https://{host}/hook?token=hidden")
    assert outcome.kind is OutcomeKind.REFUSED
    assert reason(outcome).startswith(f"{what}; NOTIFY_ALLOW_PRIVATE=true allows it")
    assert "hidden" not in reason(outcome)


def test_what_is_allowed_is_let_through() -> None:
    with Shop(always(answer())) as shop:
        for settings in ({"allow_this_machine": True}, {"allow_private": True, "allow_this_machine": False}):
            for host in ("127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"):
                assert post_once(f"http://{host}:{shop.port}/", **settings) == DONE


def test_a_name_that_turns_private_between_two_connections_is_refused() -> None:
    """The address that it turns to would lead to the very same server."""
    with Shop(always(answer(connection="close"))) as shop:
        url = f"http://shop.example:{shop.port}/"
        first, second, third = post(url, times=3, look_up=leading_to("127.0.0.1", "0.0.0.0"))
    assert first == DONE
    for outcome in (second, third):
        assert outcome.kind is OutcomeKind.REFUSED
        assert reason(outcome).startswith("shop.example leads to 0.0.0.0, an unspecified address; ")
    assert shop.connections == 1


def test_a_name_that_turns_private_between_check_and_connect_leads_nowhere() -> None:
    """What was checked is what is connected to: nobody asks the name server in between."""
    asked = []
    refusing = free_port()

    def turning(host: str, port: int) -> Sequence[AddressInfo]:
        asked.append(host)
        return ask_system("127.0.0.2" if len(asked) == 1 else "0.0.0.0", port)

    with Shop(always(answer()), port=refusing) as shop:
        outcome = post_once(f"http://shop.example:{shop.port}/", look_up=turning)
    # Nobody listens at the address that was checked.
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert reason(outcome) == f"connection refused at 127.0.0.2:{shop.port}"
    assert asked == ["shop.example"]
    assert shop.connections == 0


def test_of_a_name_s_addresses_those_that_are_not_allowed_are_left_out() -> None:
    def mixed(_host: str, port: int) -> Sequence[AddressInfo]:
        return [*ask_system("10.0.0.1", port), *ask_system("0.0.0.0", port), *ask_system("127.0.0.1", port)]

    with Shop(always(answer())) as shop:
        begun = time.monotonic()
        assert post_once(f"http://shop.example:{shop.port}/", look_up=mixed) == DONE
    assert time.monotonic() - begun < 5


def test_http_goes_to_no_other_machine() -> None:
    outcome = post_once("http://203.0.113.1/", allow_private=True)
    assert outcome.kind is OutcomeKind.REFUSED
    assert reason(outcome) == (
        "203.0.113.1 is another machine, and http is not encrypted; let NOTIFY_URL begin with https"
    )


def test_the_next_address_is_tried_where_one_refuses() -> None:
    def several(_host: str, port: int) -> Sequence[AddressInfo]:
        return [*ask_system("127.0.0.2", port), *ask_system("127.0.0.1", port)]

    with Shop(always(answer())) as shop:
        assert post_once(f"http://shop.example:{shop.port}/", look_up=several) == DONE


@contextmanager
def dead_end(address: str) -> Iterator[int]:
    """Yield a port of an address that answers nothing at all: what waits to be accepted there is full."""
    with socket.create_server((address, 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex((address, port))
        try:
            yield port
        finally:
            for each in waiting:
                each.close()


def test_an_address_that_is_silent_holds_up_no_other() -> None:
    def several(_host: str, port: int) -> Sequence[AddressInfo]:
        return [*ask_system("127.0.0.2", port), *ask_system("127.0.0.1", port)]

    async def scenario(url: str) -> None:
        async with client(url, look_up=several) as posting:
            assert await posting.post("msg_1", BODY) == DONE
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with dead_end("127.0.0.2") as port:
        alone = post_once(f"http://127.0.0.2:{port}/", seconds=0.5)
        assert f"time-out after 0.5 s while connecting to 127.0.0.2:{port}" in reason(alone)
        with Shop(always(answer()), port=port):
            begun = time.monotonic()
            asyncio.run(scenario(f"http://shop.example:{port}/"))
    assert time.monotonic() - begun < 5


def test_where_every_address_fails_each_one_s_reason_is_told() -> None:
    def several(_host: str, port: int) -> Sequence[AddressInfo]:
        return [*ask_system("127.0.0.2", port), *ask_system("::1", port), *ask_system("127.0.0.3", port)]

    port = free_port()
    outcome = post_once(f"http://shop.example:{port}/", look_up=several)
    assert outcome.kind is OutcomeKind.TRANSIENT
    # IPv4 and IPv6 by turns.
    places = ("127.0.0.2", "[::1]", "127.0.0.3")
    assert all(
        f"{place}:{port}" in part for place, part in zip(places, reason(outcome).split("; "), strict=True)
    )


def test_a_name_has_at_most_six_tries() -> None:
    def many(_host: str, port: int) -> Sequence[AddressInfo]:
        return [info for last in range(2, 200) for info in ask_system(f"127.0.0.{last}", port)]

    outcome = post_once(f"http://shop.example:{free_port()}/", look_up=many)
    assert reason(outcome).count("connection refused") == 6


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no address for shop.example ("),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure"),
            "no name server says where shop.example is (",
        ),
    ],
)
def test_a_name_without_an_address_is_told(error: OSError, said: str) -> None:
    def failing(_host: str, _port: int) -> Sequence[AddressInfo]:
        raise error

    outcome = post_once("https://shop.example/", look_up=failing)
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert reason(outcome).startswith(said)


def test_a_name_that_can_be_none_is_refused() -> None:
    outcome = post_once(f"https://{'a' * 64}.example/")
    assert outcome.kind is OutcomeKind.REFUSED
    assert "is no host name; mend NOTIFY_URL" in reason(outcome)


def test_those_who_connect_at_once_look_up_once() -> None:
    asked = []

    def counted(_host: str, port: int) -> Sequence[AddressInfo]:
        asked.append(port)
        return ask_system("127.0.0.1", port)

    async def scenario(url: str) -> None:
        async with client(url, look_up=counted) as posting:
            assert {*await asyncio.gather(*(posting.post(f"msg_{each}", BODY) for each in range(20)))} == {
                DONE
            }

    with Shop(always(answer())) as shop:
        asyncio.run(scenario(f"http://shop.example:{shop.port}/"))
    assert len(asked) < shop.connections == 20
