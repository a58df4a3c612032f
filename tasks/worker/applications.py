"""Which of several applications on one broker a message belongs to.

Two that share a broker without a `BROKER_PREFIX` each would take each other's purchases, in silence.
"""

from collections.abc import Collection, Mapping
from typing import Any

from celeryconfig import APPLICATION_HEADER, SWEEP_TASK


class AnotherApplication(Exception):
    """Another application, with other Webhook Validation Keys, sent the message to the queues of this one."""


def is_foreign(headers: Mapping[str, Any], marks: Collection[str]) -> bool:
    """Tell whether a message says that it is of an application that has none of these marks.

    What says nothing is an earlier version's; and an application without a key cannot tell. A sweep tells no
    more than that it is time, and may be of a beat that knows a former key alone.
    """
    if headers.get("task") == SWEEP_TASK:
        return False
    said = _marks(headers)
    return bool(marks) and bool(said) and said.isdisjoint(marks)


def is_ours(headers: Mapping[str, Any], marks: Collection[str]) -> bool:
    """Tell whether a message says that it is of the application that has these marks."""
    return not _marks(headers).isdisjoint(marks)


def _marks(headers: Mapping[str, Any]) -> set[str]:
    said = headers.get(APPLICATION_HEADER)
    return set(said.split(",")) - {""} if isinstance(said, str) else set()
