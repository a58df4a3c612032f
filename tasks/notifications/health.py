"""How an endpoint fares, and how much it may be told.

         10 failures in a row, of 3 payments
    open ──────────────────────────────────▶ held ──┐ a failure: nothing, then one probe,
     ▲ ▲                                      │ ▲───┘ after 30 s and up to 5 min
     │ └── as many at once as ever ◀──────────┘ each answer: one more at once, each failure one fewer
     │ a person
    paused ◀── a person, or its answer 410, from either

Nothing but a person ends what a person paused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.store.states import EndpointState

#: So many transient failures in a row, and of so many payments, hold an endpoint back.
FAILURES = 10
PAYMENTS = 3
#: Seconds before the first probe; each probe that fails doubles them up to the limit.
FIRST_PROBE = 30
PROBE_LIMIT = 5 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How an endpoint fares. Times are aware, waits in seconds.

    It keeps no words of a server's, which may quote a buyer: an erasure would not know whose they are.
    """

    state: EndpointState
    since: datetime
    #: Why it is held or paused.
    reason: str | None = None
    #: Who paused it; None for its own answer.
    paused_by: str | None = None
    #: Transient failures in a row, and of which payments: at most `PAYMENTS` of them are kept.
    failures: int = 0
    failed_payments: Sequence[str] = ()
    #: While it is held: how many tries may be in flight at once, or 0 until `probe_at`.
    allowance: int | None = None
    probe_at: datetime | None = None
    probe_wait: int | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_error: str | None = None

    def allowed(self, now: datetime, concurrency: int) -> int:
        """Return how many tries may be in flight."""
        if self.state is EndpointState.PAUSED:
            return 0
        if self.state is EndpointState.OPEN:
            return concurrency
        if self.allowance:
            return min(self.allowance, concurrency)
        return 1 if self.probe_at is None or now >= self.probe_at else 0

    def after(self, outcome: Outcome, payment_id: str, now: datetime, concurrency: int) -> "Health":
        """Return how it fares after a try's outcome."""
        if outcome.kind is OutcomeKind.DONE:
            return _answered(replace(self, last_success_at=now), now, concurrency)
        failed = replace(self, last_failure_at=now, last_error=outcome.own_words)
        if outcome.kind is OutcomeKind.GONE:
            return _gone(failed, outcome, now)
        if outcome.kind is not OutcomeKind.TRANSIENT:
            # It is there, and says no.
            return _answered(failed, now, concurrency)
        return _unanswered(failed, outcome, payment_id, now)


def _gone(health: Health, outcome: Outcome, now: datetime) -> Health:
    if health.state is EndpointState.PAUSED:
        return health
    return replace(health, state=EndpointState.PAUSED, since=now, reason=outcome.own_words, paused_by=None)


def _answered(health: Health, now: datetime, concurrency: int) -> Health:
    fine = replace(health, failures=0, failed_payments=())
    if health.state is not EndpointState.HELD:
        return fine
    allowance = (health.allowance or 0) + 1
    if allowance < concurrency:
        return replace(fine, allowance=allowance)
    return replace(
        fine,
        state=EndpointState.OPEN,
        since=now,
        reason=None,
        allowance=None,
        probe_at=None,
        probe_wait=None,
    )


def _unanswered(health: Health, outcome: Outcome, payment_id: str, now: datetime) -> Health:
    payments = tuple(dict.fromkeys((*health.failed_payments, payment_id)))[:PAYMENTS]
    failed = replace(health, failures=health.failures + 1, failed_payments=payments)
    if health.state is EndpointState.HELD:
        if health.allowance == 0 and health.probe_at and now < health.probe_at:
            # Of several that were in flight, the first one's failure counts.
            return failed
        if health.allowance and health.allowance > 1:
            # One that fails now and then would never get through all the steps if each failure took it back.
            return replace(failed, allowance=health.allowance - 1)
        return _held(failed, outcome, now, min(2 * (health.probe_wait or FIRST_PROBE), PROBE_LIMIT))
    is_enough = failed.failures >= FAILURES and len(failed.failed_payments) >= PAYMENTS
    if health.state is EndpointState.PAUSED or not is_enough:
        return failed
    return replace(
        _held(failed, outcome, now, FIRST_PROBE),
        state=EndpointState.HELD,
        since=now,
        reason=f"{failed.failures} failures in a row: {outcome.own_words}",
    )


def _held(health: Health, outcome: Outcome, now: datetime, wait: int) -> Health:
    seconds = max(wait, outcome.retry_after or 0)
    return replace(health, allowance=0, probe_at=now + timedelta(seconds=seconds), probe_wait=wait)
