"""What operators did: who, when, what, why, and what was changed. Rows are only ever added.

They stay for good and name no buyer: they tell what was changed by ids, states and items. Each is written in
the transaction of what it tells of. What is done elsewhere than in this database is told, and committed,
before it is done: a row without an effect is better than an effect without a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from tasks.store.schema import operator_actions
from tasks.store.states import ActionKind

_INSERT = operator_actions.insert()
_INSERT_ONE = _INSERT.returning(operator_actions.c.id)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts, and why if they say so."""

    who: str
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an action changed."""

    #: The id of what was acted on.
    subject: str
    #: None: there was nothing.
    before: Mapping[str, object] | None = None
    after: Mapping[str, object]


def record(connection: Connection, by: Operator, what: ActionKind, change: Change) -> int:
    """Note an action; return its id."""
    return int(connection.execute(_INSERT_ONE, _row(by, what, change)).scalar_one())


def record_all(connection: Connection, by: Operator, what: ActionKind, changes: Sequence[Change]) -> None:
    """Note an action on each of many."""
    if changes:
        connection.execute(_INSERT, [_row(by, what, change) for change in changes])


def _row(by: Operator, what: ActionKind, change: Change) -> dict[str, object]:
    return {
        "at": datetime.now(UTC),
        "who": by.who,
        "what": what,
        "why": by.why,
        "subject": change.subject,
        "before": change.before,
        "after": change.after,
    }
