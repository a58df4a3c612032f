"""The merchant's side: the example's game server, behind a front that notes what comes and fails a share."""

import asyncio
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from tasks.payments.wallet import wallet_key
from tasks.sink.http import Answer, Request
from tests.notified_server import Broken, NotifiedServer, passing_on
from tests.services.game_server import game_server

#: How many requests of ten fail.
_SHARE = 0.3
#: The ways to fail, and how often each is taken: one that lasts until the client gives up is slow to test.
_WAYS = {"500": 2, "503": 2, "reset": 2, "lost": 2, "late": 1}
_REFUSALS = {
    "500": Answer(HTTPStatus.INTERNAL_SERVER_ERROR),
    "503": Answer(HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "1"}),
}


class Shop:
    """Runs while it is entered; a fault may kill it, and start it again."""

    def __init__(self, folder: Path, chance: Random) -> None:
        self.front = NotifiedServer(self._behave)
        #: How many requests ended how.
        self.ends: Counter[str] = Counter()
        self._game = game_server("Python", folder, self.front.secret)
        self._inventory = folder / "inventory.sqlite3"
        self._chance = chance
        self._pass_on = passing_on(self._game.port)

    def __enter__(self) -> Self:
        self._game.start()
        self.front.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.front.__exit__(kind, error, trace)
        self._game.stop()

    def kill(self) -> None:
        """End it as a crash does, with all of its connections."""
        self._game.stop(signal.SIGKILL)
        self.front.go_away()

    def start(self) -> None:
        """Start it again."""
        self._game.start()
        self.front.come_back()

    def holds(self) -> dict[tuple[str, str], int]:
        """Return what each wallet may use of each item, as the game server has stored it."""
        held: Counter[tuple[str, str]] = Counter()
        with closing(sqlite3.connect(self._inventory)) as database:
            for wallet, item, usable in database.execute("SELECT wallet, item, usable FROM inventory"):
                held[wallet_key(wallet), item] += usable
        return dict(+held)

    async def _behave(self, request: Request) -> Answer | Broken:
        way = "done"
        if self._chance.random() < _SHARE:
            (way,) = self._chance.choices([*_WAYS], [*_WAYS.values()])
        self.ends[way] += 1
        if refusal := _REFUSALS.get(way):
            return refusal
        if way == "reset":
            return Broken.RESET
        answer = await self._pass_on(request)
        if way == "late":
            # Until the client gives up.
            await asyncio.Event().wait()
        return Broken.CLOSED if way == "lost" else answer
