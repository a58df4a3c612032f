"""Fulfilment's task: brings wallets in line with what payments' events decide."""

from typing import Any

from celery import shared_task

from tasks.celery import collaborators
from tasks.pipeline.bells import ring_soon
from tasks.pipeline.dispatch import FULFILMENT_TASK
from tasks.store import ledger, runs
from tasks.store.fulfilment import fulfil
from tasks.store.runs import FULFILMENT
from tasks.store.states import RunState
from tasks.tracing import tracing
from tasks.worker.groups import GroupTask


class _Fulfilment(GroupTask):
    def give_up_item(self, error: Exception, payment_id: str) -> None:
        with collaborators(self).engine.begin() as connection:
            pending = _pending(connection, payment_id)
            runs.give_up(connection, pending, FULFILMENT, error, attempts=self.attempt.tries + 1)


@shared_task(name=FULFILMENT_TASK, bind=True, base=_Fulfilment)
def fulfil_payments(self: _Fulfilment, payment_ids: list[str]) -> str | None:
    """Bring the wallets in line with the payments' events; run it as often as you like."""
    own = collaborators(self)
    tracing.note(payment_ids=payment_ids)
    begun: list[int] = []
    if self.is_redelivered:
        with own.engine.begin() as connection:
            begun = runs.begin(connection, _pending(connection, *payment_ids), FULFILMENT)
        if not begun:
            return None
    try:
        with own.engine.begin() as connection:
            fulfilled = fulfil(connection, payment_ids, own.settings.default_currency)
    except Exception:
        # An error did not end the worker; such as an outage, which is waited out however often.
        if begun:
            with own.engine.begin() as connection:
                runs.forget_beginnings(connection, begun, FULFILMENT)
        raise
    ledger.log(fulfilled.moves)
    ring_soon(self.app, fulfilled.endpoints)
    return str(fulfilled) or None


def _pending(connection: Any, *payment_ids: str) -> list[int]:
    states = runs.states(connection, payment_ids, FULFILMENT)
    return [event_id for event_id, state in states.items() if state is RunState.PENDING]
