"""The whole way, from Coinflow's event into the merchant's own world, on every combination of servers."""

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import pytest

from tasks.sink.http import Answer, Request
from tests.acceptance.market import Market, market
from tests.acceptance.purchases import buy
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.acceptance.told_cases import held
from tests.merchants import NOTED, UNKNOWN, employ
from tests.notified_server import DONE, NotifiedServer, passing_on
from tests.services import Server
from tests.services.game_server import game_server
from tests.stack import KEY
from tests.waiting import wait_until

pytestmark = pytest.mark.long

OPENED, WON, LOST = (f"Card Payment Chargeback {word}" for word in ("Opened", "Won", "Lost"))
REFUNDED = "Refund Complete"
SWORD, POTION = ("alice", "sword"), ("alice", "potion")
CART = json.dumps({"items": [{"item": "sword"}, {"item": "potion", "quantity": 4}]})
#: What happens to a payment, step by step, and what it comes to each time.
STORIES: Mapping[str, Sequence[tuple[Sequence[str], Mapping[tuple[str, str], int]]]] = {
    "refunded": [
        (("Settled", "--item", "sword", "--quantity", "3"), {SWORD: 3}),
        ((REFUNDED, "--cents", "1500"), {SWORD: 0}),
    ],
    "lost": [
        (("Settled", "--item", "sword"), {SWORD: 1}),
        ((OPENED,), {SWORD: 0}),
        ((LOST,), {SWORD: 0}),
    ],
    "won": [
        (("Settled", "--item", "sword"), {SWORD: 1}),
        ((OPENED,), {SWORD: 0}),
        ((WON,), {SWORD: 1}),
    ],
    "cart": [
        (("Settled", "--set", f"data.webhookInfo={CART}", "--cents", "1000"), {SWORD: 1, POTION: 4}),
        ((OPENED,), {SWORD: 0, POTION: 0}),
        ((WON,), {SWORD: 1, POTION: 4}),
        ((REFUNDED, "--cents", "1000"), {SWORD: 0, POTION: 0}),
    ],
    "moved": [
        (("Settled", "--item", "potion", "--quantity", "2"), {POTION: 2}),
        (("resolve", "--wallet", "bob"), {POTION: 0, ("bob", "potion"): 2}),
    ],
}


@dataclass
class Told:
    """A market that tells a game server, another server, one that is away, and a function."""

    market: Market
    game: Server

    def has(self, player: str, items: Mapping[str, int]) -> bool:
        """Tell whether a player has these items and no others, by the game server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.game.port}/inventory/{player}") as answer:
            return bool(json.load(answer) == items)

    def noted(self) -> list[tuple[str, int]]:
        """Return the changes that the function has noted."""
        file = self.market.stack.folder / "app" / NOTED
        return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


async def echo(request: Request) -> Answer:
    """Fail where nobody knows the wallet, and say of which request."""
    if UNKNOWN.encode() in request.body:
        return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, request.body.decode())
    return DONE


@pytest.fixture(scope="module", params=COMBINATIONS)
def told(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    with ExitStack() as exits:
        environment = exits.enter_context(serve(request.param, folder)) | employ("tests.merchants.told")
        servers = {"crm": NotifiedServer(echo), "away": NotifiedServer(), "default": NotifiedServer()}
        game = game_server("Python", folder, servers["default"].secret)
        servers["default"].behaviour = passing_on(game.port)
        exits.callback(game.stop)
        game.start()
        running = exits.enter_context(
            market(folder, environment | {"FLOWER_UNAUTHENTICATED_API": "true"}, servers, "flower")
        )
        servers["away"].go_away()
        first = buy(running.stack, "the first")
        running.wait_for("default", first, 1)
        yield Told(running, game)


def test_a_purchase_is_in_the_players_hand_within_seconds(told: Told) -> None:
    buy(told.market.stack, "zoe")
    # Whatever becomes of the server that is away. A fraction of one is enough where nothing else is done.
    has = partial(told.has, "zoe", {"sword": 1})
    wait_until(has, seconds=20, what="it is there", log=told.market.logs)


@pytest.mark.parametrize("name", STORIES)
def test_every_change_is_told_in_order_to_everybody(told: Told, name: str) -> None:
    stack, payment_id = told.market.stack, f"payment-{name}"
    for version, (words, usable) in enumerate(STORIES[name], start=1):
        event_type, *options = words
        if event_type == "resolve":
            # At a terminal of its own: the command rings by the stack's broker.
            done = told.market.operator.type(
                "payments", "resolve", payment_id, *options, "--reason", "a gift"
            )
            assert done.exit_code == 0, done
        else:
            stack.trigger(event_type, "--payment-id", payment_id, "--wallet", "alice", *options)
        for server in ("default", "crm"):
            assert told.market.wait_for(server, payment_id, version) == usable
    versions = list(range(1, len(STORIES[name]) + 1))
    assert told.market.servers["crm"].versions()[payment_id] == versions
    own = [(payment_id, version) for version in versions]
    wait_until(
        lambda: [each for each in told.noted() if each[0] == payment_id] == own,
        what="the function is told",
        log=told.market.logs,
    )
    for wallet in ("alice", "bob"):
        holds = held(stack, wallet)
        wait_until(partial(told.has, wallet, holds), what=f"{wallet} has {holds}", log=told.market.logs)


def test_who_was_away_hears_everything_once_it_is_back(told: Told) -> None:
    away = told.market.servers["away"]
    payment_id = buy(told.market.stack, "alice")
    told.market.stack.trigger(OPENED, "--payment-id", payment_id)
    told.market.wait_for("default", payment_id, 2)
    assert told.market.states("away") == {"pending"}
    away.come_back()
    told.market.hasten("away")
    wait_until(
        lambda: told.market.states("away") == {"done"}, what="it has heard everything", log=told.market.logs
    )
    others = told.market.servers["default"].versions()
    assert away.versions() == others
    assert all(versions == sorted(set(versions)) for versions in others.values())
    away.go_away()


def test_no_log_and_no_monitor_shows_what_is_told_or_by_which_secret(told: Told) -> None:
    stack = told.market.stack
    payment_id = buy(stack, UNKNOWN)
    for endpoint in ("crm", "@note"):
        why = partial(told.market.why, endpoint, payment_id)
        # What was answered is kept for a person.
        assert UNKNOWN in wait_until(why, what=f"{endpoint} has failed", log=told.market.logs)

    def shown() -> str:
        pages = ""
        for path in ("/api/tasks?limit=10000", "/tasks", "/workers"):
            with urllib.request.urlopen(f"http://127.0.0.1:{stack.flower_port}{path}") as answer:
                pages += answer.read().decode()
        return pages

    wait_until(lambda: "tasks.notifications.notify" in shown(), what="Flower shows it")
    everything = told.market.logs() + shown()
    secrets = [server.secret.removeprefix("whsec_") for server in told.market.servers.values()]
    assert payment_id in everything
    assert [
        each for each in (*secrets, KEY, UNKNOWN, "players.example", "usable") if each in everything
    ] == []
