"""A turn: one short transaction that notes what tries came to, and takes what may be tried next."""

import random
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, RowMapping

from tasks.endpoint_address import is_same
from tasks.notifications.health import Health
from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.notifications.schedule import is_over, next_try
from tasks.payments.change import Notification
from tasks.store import changes, endpoints, notification_order, notifications
from tasks.store.clock import clock
from tasks.store.notifications import Claimed, Ending, own_words
from tasks.store.states import EndpointState, NotificationState

_log = structlog.get_logger(__name__)

#: Seconds beyond the longest try for which a claim holds: for the turns before and after it.
SLACK = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an endpoint is told. Times are in seconds and days, as their names say."""

    concurrency: int
    give_up_days: float
    longest_try_seconds: float
    environment: str
    #: Whom this process tells, as endpoints keep it.
    address: str


class Ended(NamedTuple):
    """A try that is over."""

    claimed: Claimed
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Turn:
    """What comes next."""

    #: What may be tried now, or why it cannot be said.
    claimed: Sequence[tuple[Claimed, Notification | Outcome]]
    #: Seconds until something else may be, where that is known.
    wait: float | None
    #: What tries came to.
    endings: Sequence[Ending]
    #: The endpoint's new state, where it has changed.
    health: Health | None
    #: Whether this process tells an address that the endpoint had before.
    is_former: bool = False


def take_turn(
    connection: Connection, endpoint: str, ended: Collection[Ended], most: int, terms: Terms
) -> Turn:
    """Note how tries at an endpoint have ended, and claim up to `most` others.

    A process that tells a former address leaves all that was not told to those that tell the present one.
    """
    row = endpoints.hold(connection, endpoint)
    now = clock(connection)
    is_former = row is not None and not is_same(row["address"], terms.address)
    endings = [_ending(each, now, terms, is_former=is_former) for each in ended]
    notifications.end(connection, endings, now)
    if row is None or row.removed_at:
        return Turn((), None, endings, None)
    if is_former:
        return Turn((), None, endings, None, is_former=True)
    health = before = _health(row)
    for each in ended:
        health = health.after(each.outcome, each.claimed.payment_id, now, terms.concurrency)
    if health != before:
        endpoints.save(connection, endpoint, asdict(health))
    if health.state is EndpointState.OPEN and before.state is EndpointState.HELD:
        notification_order.hasten_all(connection, endpoint, endpoints.PASSING, now)
    allowed = health.allowed(now, terms.concurrency)
    if allowed:
        allowed -= notifications.in_flight(connection, endpoint, now)
    time = timedelta(seconds=terms.longest_try_seconds + SLACK)
    claimed = notifications.claim(connection, endpoint, min(allowed, most), now, time)
    return Turn(
        _told(connection, claimed, terms.environment),
        _wait(connection, endpoint, health, now),
        endings,
        health if health.state is not before.state else None,
    )


def _told(
    connection: Connection, claimed: Sequence[Claimed], environment: str
) -> Sequence[tuple[Claimed, Notification | Outcome]]:
    """Return what is told; one that cannot be said must not hold up the others."""
    named = [(each.payment_id, each.version) for each in claimed]
    try:
        told = changes.told(connection, named, environment)
    except ValueError:
        if len(claimed) > 1:
            return [pair for each in claimed for pair in _told(connection, [each], environment)]
        reason = "What the ledger says of this change cannot be told; compare its entries by `payments show`."
        return [(each, Outcome(OutcomeKind.PERMANENT, reason=reason)) for each in claimed]
    return [(each, told[each.payment_id, each.version]) for each in claimed]


def _ending(ended: Ended, now: datetime, terms: Terms, *, is_former: bool) -> Ending:
    claimed, outcome = ended
    state, due_at = NotificationState.PENDING, None
    if outcome.kind is OutcomeKind.DONE:
        state = NotificationState.DONE
    elif is_former:
        # What a former address says is not what the present one would.
        due_at = now
    elif outcome.kind is OutcomeKind.PERMANENT or is_over(claimed.first_tried_at, now, terms.give_up_days):
        state = NotificationState.DEAD
    elif outcome.kind is OutcomeKind.GONE:
        due_at = now
    else:
        due_at = now + next_try(claimed.attempt, random.random(), asked=outcome.retry_after)  # noqa: S311  # jitter
    return Ending(claimed, state, due_at, outcome.kind, outcome.status, outcome.reason)


_FIELDS = [field.name for field in fields(Health)]


def _health(row: RowMapping) -> Health:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    return Health(**{**values, "state": EndpointState(row["state"])})


def _wait(connection: Connection, endpoint: str, health: Health, now: datetime) -> float | None:
    if health.state is EndpointState.PAUSED:
        return None
    due = notifications.next_due(connection, endpoint)
    if due is None:
        return None
    if health.state is EndpointState.HELD and not health.allowance and health.probe_at:
        due = max(due, health.probe_at)
    return max(0.0, (due - now).total_seconds())


def log(endpoint: str, turn: Turn) -> None:
    """Say what a turn has noted, once it is committed."""
    for ending in turn.endings:
        _log_ending(endpoint, ending)
    if turn.health is None:
        return
    about = {"endpoint": endpoint, "reason": own_words(turn.health.last_error)}
    if turn.health.state is EndpointState.PAUSED:
        _log.error("endpoint.paused", **about, next_step=f"coinflowctl endpoints resume {endpoint}")
    elif turn.health.state is EndpointState.HELD:
        _log.warning(
            "endpoint.held", **about, failures=turn.health.failures, probe_in_seconds=turn.health.probe_wait
        )
    else:
        _log.info("endpoint.open", endpoint=endpoint)


def _log_ending(endpoint: str, ending: Ending) -> None:
    claimed = ending.claimed
    about = {
        "endpoint": endpoint,
        "payment_id": claimed.payment_id,
        "version": claimed.version,
        "attempt": claimed.attempt,
    }
    if ending.state is NotificationState.DONE:
        _log.info("notification.done", **about)
        return
    about |= {"outcome": str(ending.outcome), "reason": own_words(ending.error)}
    if ending.state is NotificationState.DEAD:
        _log.error("notification.dead", **about)
    else:
        _log.warning("notification.failed", **about, due_at=ending.due_at and ending.due_at.isoformat())
