"""What Coinflow last said of each subscription."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from tasks.store.schema import events, subscriptions
from tasks.store.views.records import newest_last
from tasks.store.views.spellings import is_wallet


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFilter:
    """Which subscriptions are meant; what is None excludes none."""

    wallet: str | None = None
    #: Those of which was heard last, so many; None is all of them.
    limit: int | None = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionLine:
    """A subscription in one line, and the event that said so."""

    subscription_id: str
    state: str
    plan_code: str | None
    wallet: str | None
    event_id: int
    #: When Coinflow says it happened, as it wrote it.
    created: str


def list_subscriptions(connection: Connection, chosen: SubscriptionFilter) -> tuple[SubscriptionLine, ...]:
    """Return the subscriptions that are meant, the one of which was heard last at the end."""
    # Looked up for those of the page alone; a join may go through the event log from its end.
    created = select(events.c.created).where(events.c.id == subscriptions.c.event_id).scalar_subquery()
    query = (
        select(
            subscriptions.c.id.label("subscription_id"),
            subscriptions.c.state,
            subscriptions.c.plan_code,
            subscriptions.c.wallet,
            subscriptions.c.event_id,
            created.label("created"),
        )
        .order_by(subscriptions.c.event_id.desc())
        .limit(chosen.limit)
    )
    if chosen.wallet is not None:
        query = query.where(is_wallet(subscriptions.c.wallet, chosen.wallet))
    return newest_last(connection, query, SubscriptionLine)
