"""The price lists that were accepted for selling. The newest is in force, whatever any file says."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import Connection, bindparam, insert, select, text

from tasks.errors import PriceListUnusable
from tasks.payments.price_list import AcceptedPriceList, PriceListError, read_price_list
from tasks.payments.price_list_form import PriceList
from tasks.store.schema import price_lists

_NEWEST = (
    select(
        price_lists.c.id,
        price_lists.c.content_hash,
        price_lists.c.accepted_at,
        price_lists.c.accepted_by,
    )
    .order_by(price_lists.c.id.desc())
    .limit(1)
)
_TEXT = select(price_lists.c.text).where(price_lists.c.id == bindparam("list_id"))
#: Lets one after the other accept a list, and everybody read meanwhile; SQLite has one writer anyway.
_LOCK = text("LOCK TABLE price_lists IN SHARE ROW EXCLUSIVE MODE")


@dataclass(slots=True)
class _Memory:
    """What this process has read last, by the hash of its text.

    It is replaced by one assignment, so that neither a fork nor another thread sees half of it.
    """

    latest: tuple[str, PriceList] | None = None


_memory = _Memory()


def hash_of(content: str) -> str:
    """Return what a list is known by: the SHA-256 of its text, in hexadecimal digits."""
    return sha256(content.encode()).hexdigest()


def newest(connection: Connection) -> AcceptedPriceList | None:
    """Return the list in force, or None if none was ever accepted. Raises PriceListUnusable.

    The text is read and parsed once per process; a look at a list that is known reads one row by its key.
    """
    row = connection.execute(_NEWEST).one_or_none()
    if row is None:
        return None
    known = _memory.latest
    if known is None or known[0] != row.content_hash:
        content = connection.execute(_TEXT, {"list_id": row.id}).scalar_one()
        try:
            known = (row.content_hash, read_price_list(content))
        except PriceListError as error:
            raise PriceListUnusable(
                f"This version cannot read the price list {row.content_hash[:8]} in force ({error}); "
                "mend the file and run `coinflowctl catalog apply`."
            ) from None
        _memory.latest = known
    return AcceptedPriceList(row.id, row.content_hash, row.accepted_at, row.accepted_by, known[1])


def first_accepted_at(connection: Connection) -> datetime | None:
    """Return when the first list was accepted, which is when the product was installed."""
    oldest = select(price_lists.c.accepted_at).order_by(price_lists.c.id).limit(1)
    return connection.execute(oldest).scalar_one_or_none()


def accept(
    connection: Connection, content: str, by: str, *, only_first: bool = False
) -> AcceptedPriceList | None:
    """Put a list in force; `by` says who does it. Raises PriceListError if it cannot be read.

    Returns None where there is nothing to accept: the same text is in force already or, with `only_first`,
    any list was ever accepted.
    """
    prices = read_price_list(content)
    content_hash = hash_of(content)
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)
    row = connection.execute(_NEWEST).one_or_none()
    if row and (only_first or row.content_hash == content_hash):
        return None
    now = datetime.now(UTC)
    values = {"content_hash": content_hash, "text": content, "accepted_at": now, "accepted_by": by}
    list_id = connection.execute(insert(price_lists).returning(price_lists.c.id), values).scalar_one()
    return AcceptedPriceList(list_id, content_hash, now, by, prices)
