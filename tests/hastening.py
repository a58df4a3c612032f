"""What spares a test the waits between two tries, which are hours in the end."""

from datetime import timedelta

from sqlalchemy import Engine, select, update

from tasks.store.clock import clock
from tasks.store.schema import endpoints, notifications
from tasks.store.states import NotificationState
from tests.operator import Operator


def hasten(engine: Engine) -> int:
    """Let what waits for its next try be due now, and what is held back be probed; say how many."""
    n = notifications.c
    with engine.begin() as connection:
        now = clock(connection)
        waiting = update(notifications).where(
            n.state == NotificationState.PENDING, n.claimed_until.is_(None), n.due_at > now
        )
        hastened = connection.execute(waiting.values(due_at=now)).rowcount
        held = update(endpoints).where(endpoints.c.probe_at > now)
        return hastened + connection.execute(held.values(probe_at=now)).rowcount


def pass_time(engine: Engine, passed: timedelta) -> None:
    """Let so much time have gone by for what waits, with nothing in flight."""
    n, e = notifications.c, endpoints.c
    with engine.begin() as connection:
        for row in connection.execute(select(n.id, n.due_at).where(n.due_at.is_not(None))).all():
            connection.execute(update(notifications).where(n.id == row.id).values(due_at=row.due_at - passed))
        for row in connection.execute(select(e.name, e.probe_at).where(e.probe_at.is_not(None))).all():
            connection.execute(
                update(endpoints).where(e.name == row.name).values(probe_at=row.probe_at - passed)
            )


def ring(operator: Operator, *endpoints: str) -> None:
    """Let endpoints be told what is due now, rather than after the next sweep."""
    operator.send("tasks.notifications.notify", queue="notifications", arguments=[endpoints])
