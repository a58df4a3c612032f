"""What is printed of each notification: one line."""

from datetime import datetime

from tasks.sink.notification import Change


def line_of(moment: datetime, what: str, answered: str) -> str:
    """Return the line: when it came, what it was, and what it was answered."""
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03} {what} -> {answered}"


def told(change: Change) -> str:
    """Return what a change says: the payment, its version, the cause, and each line."""
    lines = (f"{line.wallet} {line.item} {line.delta:+} ({line.usable} usable)" for line in change.items)
    return f"{change.payment_id} v{change.version} {change.cause}: {', '.join(lines)}"


def novelty(version: int, newest: int | None) -> str:
    """Return what there is to say of a version if this one, or a newer one, was known before."""
    if newest is None or newest < version:
        return ""
    return ", told before" if newest == version else f", older than v{newest}"
