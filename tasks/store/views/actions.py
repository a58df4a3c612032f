"""What operators did."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from tasks.store.schema import operator_actions
from tasks.store.states import ActionKind
from tasks.store.views.records import newest_last, records


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLine:
    """An action in one line."""

    id: int
    at: datetime
    who: str
    #: An `ActionKind`.
    what: str
    #: What was acted on, by its id.
    subject: str
    why: str | None
    #: What it changed; None where there was nothing.
    before: dict[str, Any] | None
    after: dict[str, Any]


_LINES: Select[Any] = select(
    operator_actions.c.id,
    operator_actions.c.at,
    operator_actions.c.who,
    operator_actions.c.what,
    operator_actions.c.subject,
    operator_actions.c.why,
    operator_actions.c.before,
    operator_actions.c.after,
)


def list_actions(connection: Connection, limit: int = 100) -> tuple[ActionLine, ...]:
    """Return the newest actions, the newest last."""
    return newest_last(connection, _LINES.order_by(operator_actions.c.id.desc()).limit(limit), ActionLine)


def actions_on(connection: Connection, subject: str) -> tuple[ActionLine, ...]:
    """Return what was done to one thing, by its id, in order."""
    query = _LINES.where(operator_actions.c.subject == subject).order_by(operator_actions.c.id)
    return records(connection, query, ActionLine)


def actions_on_payment(connection: Connection, payment_id: str) -> tuple[ActionLine, ...]:
    """Return what was said of a payment, in order."""
    query = _LINES.where(
        operator_actions.c.subject == payment_id,
        operator_actions.c.what.in_([ActionKind.MATCH, ActionKind.RESOLVE]),
    )
    return records(connection, query.order_by(operator_actions.c.id), ActionLine)
