"""Posting a notification from a test, as the product does."""

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any

from tasks.notifications.http import HttpClient
from tasks.notifications.look_up import LookUp, ask_system
from tasks.notifications.outcome import Outcome, OutcomeKind

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(sign * 24).decode() for sign in (b"o", b"n", b"x"))
BODY = json.dumps({"type": "grant.changed", "data": {"payment_id": "pay_1", "version": 2}}).encode()
DONE = Outcome(OutcomeKind.DONE, 200)


def client(url: str, *, secrets: Sequence[str] = (OLD,), **settings: Any) -> HttpClient:
    """Return a client as in development, unless `settings` say otherwise."""
    given = {"concurrency": 20, "allow_private": False, "allow_this_machine": True, **settings}
    return HttpClient(url, secrets, **given)


def post(url: str, *, times: int = 1, **settings: Any) -> list[Outcome]:
    """Post so many times, one after the other, with one client."""

    async def scenario() -> list[Outcome]:
        async with client(url, **settings) as posting:
            return [await posting.post(f"msg_{number}", BODY) for number in range(times)]

    return asyncio.run(scenario())


def post_once(url: str, **settings: Any) -> Outcome:
    (outcome,) = post(url, **settings)
    return outcome


def reason(outcome: Outcome) -> str:
    assert outcome.reason is not None
    return outcome.reason


def leading_to(*addresses: str) -> LookUp:
    """Return a look-up that gives every name the next of these addresses, and the last one from then on."""
    left = [*addresses]
    return lambda _host, port: ask_system(left.pop(0) if len(left) > 1 else left[0], port)
