"""What the product's tables say of a life, compared with how it was made up."""

from sqlalchemy import Engine, func, select

from tasks.store.schema import dead_letters, events, grants, handler_runs, ledger_entries, payments
from tasks.store.states import RunState
from tests.lives import Life


def check(engine: Engine, life: Life) -> None:
    """Compare decision, wallet and ledger with what the life says."""
    entry = ledger_entries.c
    with engine.connect() as connection:
        payment = connection.execute(select(payments).where(payments.c.id == life.payment_id)).one()
        held = connection.execute(select(grants).where(grants.c.payment_id == life.payment_id)).all()
        balance = connection.execute(
            select(func.sum(entry.delta)).where(entry.payment_id == life.payment_id)
        ).scalar_one()
        unhandled = connection.execute(
            select(func.count())
            .select_from(handler_runs.join(events))
            .where(events.c.payment_id == life.payment_id, handler_runs.c.state != RunState.DONE)
        ).scalar_one()
        letters = connection.execute(select(func.count()).select_from(dead_letters)).scalar_one()
    assert (payment.decision, payment.refunded_cents) == (life.decision, life.refunded_cents)
    assert [(grant.quantity, grant.status) for grant in held] == ([life.held] if life.held else [])
    assert {(grant.wallet, grant.item) for grant in held} <= {(life.wallet, "sword")}
    usable = sum(grant.quantity for grant in held if grant.status == "granted")
    assert (balance or 0) == usable
    assert (unhandled, letters) == (0, 0)
