"""The example's game servers: whatever comes, how often, and whoever is killed, they hold what was told."""

import json
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from random import Random

import httpx2
import pytest

from tests.notifications import Notification, Notifier, State, headers, held, history, new_secret
from tests.services import Server
from tests.services.game_server import LANGUAGES, game_server
from tests.waiting import wait_until

pytestmark = pytest.mark.long

SECRET = new_secret()
WALLETS = ("alice", "bob", "zoë 🐉")
SWORD, POTION, GIFT, ODD = ("alice", "sword"), ("alice", "potion"), ("bob", "sword"), (WALLETS[2], "käse/\"'")
#: A refund in part, a chargeback that was won, a cart, a move to another wallet; items of several payments.
STATES: tuple[tuple[State, ...], ...] = (
    ({SWORD: 3}, {SWORD: 1}),
    ({SWORD: 1}, {}, {SWORD: 1}),
    ({POTION: 5, GIFT: 1}, {POTION: 5}, {POTION: 2}),
    ({POTION: 1, ODD: 2}, {ODD: 2, GIFT: 4}, {}),
)


def histories(name: str) -> list[list[Notification]]:
    """Return what is told of payments of this name, of each in order."""
    return [list(history(f"{name}-{number}", *states)) for number, states in enumerate(STATES)]


#: Of one payment after the other, the next version.
TOLD = [each for turn in zip_longest(*histories("pay")) for each in turn if each]


@dataclass(frozen=True)
class Game:
    """A running game server, and who notifies it."""

    server: Server
    notifier: Notifier

    def tell(self, told: Iterable[Notification]) -> None:
        """Notify it; every answer must be good."""
        assert {self.notifier.post(each).status_code for each in told} == {204}, self.server.log.read_text()

    def tell_until_it_answers(self, notification: Notification) -> None:
        """Notify it again and again, as long as it is away."""

        def answers() -> bool:
            try:
                self.tell([notification])
            except httpx2.TransportError:
                return False
            return True

        wait_until(answers, what="it answers", log=self.server.log.read_text)

    def holds(self) -> dict[str, dict[str, int]]:
        """Return what each wallet may use."""
        wallets = {wallet: self.notifier.read(f"/inventory/{wallet}") for wallet in WALLETS}
        return {wallet: items for wallet, items in wallets.items() if items}

    def crash(self) -> None:
        """Kill it, and start it again."""
        self.server.stop(signal.SIGKILL)
        self.server.start()


@pytest.fixture(params=LANGUAGES)
def game(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Game]:
    server = game_server(request.param, tmp_path, SECRET)
    server.start()
    try:
        with Notifier(server.port, SECRET) as notifier:
            yield Game(server, notifier)
    finally:
        server.stop()


def test_it_holds_what_was_told_last(game: Game) -> None:
    for number, notification in enumerate(TOLD, start=1):
        game.tell([notification])
        assert game.holds() == held(TOLD[:number])
    assert game.holds() == {"alice": {"sword": 2, "potion": 2}}


def test_it_holds_the_newest_version_of_what_came_in_any_order_and_twice(game: Game) -> None:
    told: list[Notification] = []
    for seed in range(10):
        coming = list(chain(*histories(f"pay-{seed}"))) * 2
        Random(seed).shuffle(coming)
        for number, notification in enumerate(coming):
            game.tell([notification])
            told.append(notification)
            if number % 5 == 0:
                assert game.holds() == held(told), f"seed {seed}"
    assert game.holds() == held(told) == {"alice": {"sword": 20, "potion": 20}}


def test_what_it_has_answered_survives_that_it_is_killed(game: Game) -> None:
    for number, notification in enumerate(TOLD, start=1):
        game.tell([notification])
        if number % 3 == 0:
            game.crash()
            assert game.holds() == held(TOLD[:number])


def test_killed_in_the_middle_of_many_it_holds_all_in_the_end(game: Game) -> None:
    sent = [told for number in range(40) for told in histories(f"pay-{number}")]
    answered: list[Notification] = []

    def tell_in_order(told: list[Notification]) -> None:
        for notification in told:
            game.tell_until_it_answers(notification)
            answered.append(notification)

    with ThreadPoolExecutor(8) as pool:
        telling = [pool.submit(tell_in_order, told) for told in sent]

        def has_answered(count: int) -> bool:
            # What has failed is not waited for.
            assert not any(each.done() and each.exception() for each in telling)
            return len(answered) > count

        for _ in range(3):
            wait_until(partial(has_answered, len(answered) + 10), what="some more are answered")
            game.crash()
    assert [each.result() for each in telling] == [None] * len(sent)
    assert len(answered) == sum(map(len, sent))
    assert game.holds() == held(answered) == {"alice": {"sword": 80, "potion": 80}}


def test_all_lines_of_a_notification_are_stored_or_none(game: Game) -> None:
    (told,) = history("pay", {SWORD: 1, POTION: 1})
    del told["data"]["items"][1]["usable"]
    assert game.notifier.post(told).status_code == 500
    assert game.holds() == {}


def test_another_type_changes_nothing(game: Game) -> None:
    game.tell([{"type": "endpoint.test", "data": {}}])
    assert game.holds() == {}


def test_the_bytes_are_verified_as_they_came(game: Game) -> None:
    body = "\n" + json.dumps(TOLD[0], indent=3, ensure_ascii=False).replace("pay", r"p\u0061y")
    assert game.notifier.send(body, headers(SECRET, body)).status_code == 204
    assert game.holds() == held(TOLD[:1])


def test_what_the_secret_did_not_sign_is_answered_401(game: Game) -> None:
    body = json.dumps(TOLD[0])
    right = headers(SECRET, body)
    for wrong in (
        {},
        headers(new_secret(), body),
        headers(SECRET, body + " "),
        headers(SECRET, body, age=timedelta(minutes=6)),
        right | {"webhook-signature": "v1"},
        right | {"webhook-signature": "v1,%"},
        right | {"webhook-timestamp": "soon"},
    ):
        assert game.notifier.send(body, wrong).status_code == 401, wrong
    assert game.holds() == {}
    # As during a rotation, when both secrets sign.
    rotated = f"{headers(new_secret(), body)['webhook-signature']} {right['webhook-signature']}"
    assert game.notifier.send(body, right | {"webhook-signature": rotated}).status_code == 204
