"""Waiting for what becomes of an event that was sent."""

import time

from sqlalchemy import Connection

from tasks.cli.database import transactions
from tasks.coinflow.event import read_packet
from tasks.settings import Settings
from tasks.store.views.conclusion import Conclusion, conclude
from tasks.store.views.events import state_of
from tasks.store.views.payment_story import payment_story

#: Seconds.
_PATIENCE = 30.0
#: Seconds between two looks.
_PAUSE = 0.1


def outcome(body: str) -> Conclusion | None:
    """Return what an event came to once it is handled, or None if that takes too long."""
    packet, settings = read_packet(body), Settings.load()
    deadline = time.monotonic() + _PATIENCE
    with transactions() as engine:
        while time.monotonic() < deadline:
            with engine.connect() as connection:
                if found := _found(connection, packet.key, packet.payment_id, settings):
                    return found
            time.sleep(_PAUSE)
    return None


def _found(connection: Connection, key: str, payment_id: str | None, settings: Settings) -> Conclusion | None:
    state = state_of(connection, key)
    if state in {None, "pending"}:
        return None
    story = payment_story(connection, payment_id, settings.default_currency) if payment_id else None
    if story:
        return conclude(story, settings.merchant_ids)
    return Conclusion(state.upper(), "The event is stored, and speaks of no payment.") if state else None
