"""Endpoints on a database, and what they are told, by the product's own turns."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, select, update

from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.notifications.turn import Ended, Terms, Turn, take_turn
from tasks.store import endpoints
from tasks.store.schema import notifications
from tests.integration.pipeline import delivery, run, take_in

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
OPENED, WON = "Card Payment Chargeback Opened", "Card Payment Chargeback Won"
DONE = Outcome(OutcomeKind.DONE, status=204)
AWAY = Outcome(OutcomeKind.TRANSIENT, reason="The connection was refused.")
GONE = Outcome(OutcomeKind.GONE, status=410, reason="410 Gone (the server wants no more notifications)")
REFUSED = Outcome(OutcomeKind.REFUSED, status=404, reason="404 Not Found")
N = notifications.c


def listen(engine: Engine, *names: str) -> None:
    """Let these endpoints be told, and no others."""
    with engine.begin() as connection:
        endpoints.configure(connection, {name: f"https://{name}.example" for name in names}, NOW)


def happen(engine: Engine, payment_id: str, *event_types: str, **changes: Any) -> None:
    """Let events of a payment come, one after the other."""
    for event_type in event_types or ["Settled"]:
        run(engine, take_in(engine, delivery(payment_id, event_type, **changes)))


def of_wallet(wallet: str) -> dict[str, Any]:
    """Return what makes an event one of this buyer's."""
    return dict.fromkeys(("data__wallet", "data__customerId", "data__rawCustomerId"), wallet)


def turn(
    engine: Engine,
    endpoint: str,
    *ended: Ended,
    most: int = 20,
    give_up_days: float = 7,
    address: str | None = None,
) -> Turn:
    """Note how tries have ended, and begin others, as a process that tells an address."""
    terms = Terms(
        concurrency=20,
        give_up_days=give_up_days,
        longest_try_seconds=10,
        environment="test",
        address=address or f"https://{endpoint}.example",
    )
    with engine.begin() as connection:
        return take_turn(connection, endpoint, ended, most, terms)


def tell(engine: Engine, endpoint: str, outcome: Outcome = DONE, *, is_given_up: bool = False) -> list[int]:
    """Tell an endpoint what is due, once; return the versions. What failed may be given up at once."""
    begun = turn(engine, endpoint).claimed
    ended = [Ended(claimed, outcome) for claimed, _ in begun]
    turn(engine, endpoint, *ended, most=0, give_up_days=0 if is_given_up else 7)
    return [claimed.version for claimed, _ in begun]


def wait(engine: Engine, time: timedelta = timedelta(days=1)) -> None:
    """Let time pass for whatever waits for another try."""
    with engine.begin() as connection:
        for row in connection.execute(select(N.id, N.due_at).where(N.due_at.is_not(None))):
            connection.execute(update(notifications).where(N.id == row.id).values(due_at=row.due_at - time))


def rows(engine: Engine, payment_id: str = "pay", endpoint: str = "shop") -> list[Row[Any]]:
    """Return what there is to tell an endpoint of a payment, in order."""
    query = select(notifications).where(N.payment_id == payment_id, N.endpoint == endpoint)
    with engine.connect() as connection:
        return list(connection.execute(query.order_by(N.version)))


def states(engine: Engine, payment_id: str = "pay", endpoint: str = "shop") -> list[str]:
    """Return the states of these."""
    return [row.state for row in rows(engine, payment_id, endpoint)]
