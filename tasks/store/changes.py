"""Changes: the entries of the ledger that one decision has written together, numbered for each payment."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, func, select, text, update

from tasks.payments.change import OPERATOR, GrantChange, LedgerEntry, Notification, lines
from tasks.payments.states import GrantStatus
from tasks.store import notifications
from tasks.store.schema import events, grants, ledger_entries, payments, wallets

_PAYMENT_IDS: BindParameter[Sequence[str]] = bindparam("payment_ids", expanding=True)
# The entries that one decision has written together have one time.
_NUMBER = text("""
UPDATE ledger_entries SET version = numbered.version
FROM (
    SELECT id, newest + SUM(is_first) OVER (PARTITION BY payment_id ORDER BY id) AS version
    FROM (
        SELECT ledger_entries.id, payment_id, payments.version AS newest, CASE
            WHEN created_at = LAG(created_at) OVER (PARTITION BY payment_id ORDER BY ledger_entries.id)
            THEN 0 ELSE 1
        END AS is_first
        FROM ledger_entries JOIN payments ON payments.id = payment_id
        WHERE payment_id IN :payment_ids AND ledger_entries.version IS NULL
    ) AS marked
) AS numbered
WHERE numbered.id = ledger_entries.id
RETURNING ledger_entries.payment_id, ledger_entries.version
""").bindparams(_PAYMENT_IDS)
_KEEP = update(payments).where(payments.c.id == bindparam("of")).values(version=bindparam("newest"))
_UNNUMBERED = select(ledger_entries.c.payment_id).where(ledger_entries.c.version.is_(None)).distinct()
_ENTRIES = (
    select(
        ledger_entries.c.payment_id,
        ledger_entries.c.version,
        func.coalesce(wallets.c.name, ledger_entries.c.wallet).label("wallet"),
        ledger_entries.c.item,
        ledger_entries.c.status,
        func.coalesce(ledger_entries.c.delta, ledger_entries.c.quantity).label("delta"),
        # What an earlier release wrote does not tell it.
        func.coalesce(ledger_entries.c.units, grants.c.quantity).label("units"),
        ledger_entries.c.created_at,
        ledger_entries.c.action_id,
        events.c.event_type,
    )
    .join(events, events.c.id == ledger_entries.c.event_id)
    .outerjoin(wallets, wallets.c.id == ledger_entries.c.wallet_id)
    .outerjoin(
        grants,
        (grants.c.payment_id == ledger_entries.c.payment_id) & (grants.c.item == ledger_entries.c.item),
    )
    .where(ledger_entries.c.payment_id.in_(_PAYMENT_IDS), ledger_entries.c.version.is_not(None))
    .order_by(ledger_entries.c.payment_id, ledger_entries.c.id)
)


@dataclass(frozen=True, slots=True)
class _Told:
    entry: LedgerEntry
    at: datetime
    cause: str


def number(connection: Connection, behind: Mapping[str, Collection[str]], now: datetime) -> dict[str, int]:
    """Give numbers to what the former release has written of payments, and let endpoints be told of it.

    `behind` has the endpoints by payment. The caller holds the payments. Returns their newest versions. It
    goes with the release that no former one without numbers works beside.
    """
    if not behind:
        return {}
    numbered = connection.execute(_NUMBER, {"payment_ids": list(behind)}).all()
    newest: dict[str, int] = {}
    for payment_id, version in numbered:
        newest[payment_id] = max(version, newest.get(payment_id, 0))
    if newest:
        connection.execute(_KEEP, [{"of": each, "newest": version} for each, version in newest.items()])
    told = sorted(
        (payment_id, version, endpoint)
        for payment_id, version in {(row[0], row[1]) for row in numbered}
        for endpoint in behind[payment_id]
    )
    notifications.add(connection, told, now)
    return newest


def unnumbered(connection: Connection, limit: int) -> Sequence[str]:
    """Return payments of which the former release has written what has no number yet."""
    return connection.execute(_UNNUMBERED.limit(limit)).scalars().all()


def told(
    connection: Connection, changes: Collection[tuple[str, int]], environment: str
) -> dict[tuple[str, int], Notification]:
    """Return what is told of changes, by payment and version. Raises ValueError where it cannot be said."""
    entries: dict[str, list[_Told]] = defaultdict(list)
    for row in connection.execute(_ENTRIES, {"payment_ids": sorted({each for each, _ in changes})}):
        status = GrantStatus(row.status)
        entry = LedgerEntry(row.version, row.wallet, row.item, status, row.delta, row.units)
        cause = OPERATOR if row.action_id else row.event_type
        entries[row.payment_id].append(_Told(entry, row.created_at, cause))
    return {change: _notification(entries[change[0]], change, environment) for change in changes}


def _notification(entries: Sequence[_Told], change: tuple[str, int], environment: str) -> Notification:
    payment_id, version = change
    newest = next((each for each in entries if each.entry.version == version), None)
    if newest is None:
        raise ValueError(f"The ledger holds no version {version} of the payment.")
    return Notification(
        timestamp=newest.at,
        data=GrantChange(
            payment_id=payment_id,
            version=version,
            cause=newest.cause,
            environment=environment,
            items=lines([each.entry for each in entries if each.entry.version <= version]),
        ),
    )
