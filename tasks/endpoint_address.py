"""An endpoint's address, as it is kept and shown."""

import hashlib
from urllib.parse import urlsplit

#: Begins what stands for a query.
_MARK = "?#"


def shown(url: str) -> str:
    """Return a URL's address: a mark, by which others differ, stands for a query, which may be secret."""
    parts = urlsplit(url)
    address = parts._replace(query="").geturl()
    return f"{address}{_MARK}{hashlib.sha256(url.encode()).hexdigest()[:8]}" if parts.query else address


def is_same(one: str, other: str) -> bool:
    """Tell whether two addresses are one.

    Those that earlier versions have kept lack the mark, so one with it may be the same as one without.
    """
    (one_url, _, one_mark), (other_url, _, other_mark) = one.partition(_MARK), other.partition(_MARK)
    return one_url == other_url and (one_mark == other_mark or not one_mark or not other_mark)
