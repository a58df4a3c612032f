"""What the event log and the ledger tell: sweeps, the price list, and work that waits, for us or a person."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from sqlalchemy import Connection

from tasks.doctor import verdicts
from tasks.doctor.finding import Finding, Level
from tasks.errors import PriceListUnusable
from tasks.payments.price_list import PriceListError
from tasks.payments.states import DecisionStatus
from tasks.settings import Settings
from tasks.store import endpoints, sweeps
from tasks.store.clock import clock
from tasks.store.endpoints import SILENCE
from tasks.store.price_lists import first_accepted_at, hash_of, newest
from tasks.store.states import SetAside
from tasks.store.sweeps import RECOVERY
from tasks.store.views import work
from tasks.store.views.endpoints import REMOVED, list_endpoints
from tasks.worker.price_list_file import read_file


def _sweeps(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    now = clock(connection)
    handled_at, installed_at = sweeps.began_at(connection, RECOVERY), first_accepted_at(connection)
    yield verdicts.on_sweeps(
        now - handled_at if handled_at else None, now - installed_at if installed_at else None
    )


def _price_list(connection: Connection, settings: Settings) -> Iterator[Finding]:
    try:
        in_force = newest(connection)
    except PriceListUnusable as error:
        yield Finding(
            check="price list",
            level=Level.FAULT,
            seen=str(error).rstrip("."),
            next_step="Mend the file, and run `coinflowctl catalog apply`.",
        )
        return
    try:
        file = hash_of(read_file(settings.catalog_path))
    except PriceListError:
        # That is a finding of its own.
        file = None
    yield verdicts.on_price_list(in_force.content_hash if in_force else None, file)


def _unfinished(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    now = clock(connection)
    found = work.unfinished(connection)
    for each in found:
        yield verdicts.on_unfinished(each.handler, each.count, now - each.since)
    if not found:
        yield Finding(check="unfinished", seen="nothing")


def _dead_letters(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    dead = work.dead_by_error(connection)
    told = ", ".join(f"{count} {error}" for error, count in dead.items())
    yield _for_a_person(
        "dead letters",
        sum(dead.values()),
        told,
        "`coinflowctl dead-letters list` says why; mend that and replay them, or discard them.",
    )


def _payments(decision: DecisionStatus) -> Callable[[Connection, Settings], Iterator[Finding]]:
    def count(connection: Connection, _settings: Settings) -> Iterator[Finding]:
        found = work.payments_of(connection, decision)
        yield _for_a_person(
            decision.value,
            found,
            verdicts.plural(found, "payment"),
            f"`coinflowctl payments list --state {decision}` lists them, `payments resolve` settles one.",
        )

    return count


def _attention(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    found = work.asking(connection)
    yield _for_a_person(
        "attention",
        found,
        verdicts.plural(found, "payment"),
        "`coinflowctl payments list --attention` says what each asks for.",
    )


def _foreign(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    found = work.set_aside(connection, SetAside.FOREIGN)
    yield _for_a_person(
        "foreign",
        found,
        f"{verdicts.plural(found, 'event')} of another merchant",
        "If they are yours, add their merchant id to COINFLOW_MERCHANT_IDS and run "
        "`coinflowctl events reread`.",
    )


def _endpoints(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    now = clock(connection)
    silent = dict(endpoints.silent(connection, now - SILENCE))
    found = [each for each in list_endpoints(connection) if each.state != REMOVED]
    for each in found:
        yield verdicts.on_endpoint(each, now, silent.get(each.name))
    if not found:
        yield Finding(check="endpoint", seen="nobody is told of changes")


def _for_a_person(check: str, count: int, told: str, next_step: str) -> Finding:
    if not count:
        return Finding(check=check, seen="none")
    more = " or more" if count == work.MOST else ""
    return Finding(check=check, level=Level.NOTICE, seen=f"{told}{more}", next_step=next_step)


CHECKS: Mapping[str, Callable[[Connection, Settings], Iterable[Finding]]] = {
    "sweeps": _sweeps,
    "price list": _price_list,
    "unfinished": _unfinished,
    "dead letters": _dead_letters,
    "unmatched": _payments(DecisionStatus.UNMATCHED),
    "refused": _payments(DecisionStatus.REFUSED),
    "attention": _attention,
    "foreign": _foreign,
    "endpoint": _endpoints,
}
