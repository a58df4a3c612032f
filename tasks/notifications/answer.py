"""What a server's answer means."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from tasks.notifications.outcome import Outcome, OutcomeKind

#: Seconds that `Retry-After` may ask for; less and more is taken for these.
SHORTEST_WAIT = 1
LONGEST_WAIT = 3600
#: Digits of a number of seconds; longer ones are above the limit, too.
_DIGITS = 20
_HINTS = {
    HTTPStatus.UNAUTHORIZED: "does the server verify with a secret of NOTIFY_SECRET?",
    HTTPStatus.FORBIDDEN: "does the server verify with a secret of NOTIFY_SECRET?",
    HTTPStatus.NOT_FOUND: "is the path of NOTIFY_URL right?",
    HTTPStatus.METHOD_NOT_ALLOWED: "does the path of NOTIFY_URL take POST?",
    HTTPStatus.GONE: "the server wants no more notifications",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read of an answer: all of it, or as much as anybody looks at."""

    status: int
    #: By name in lower case; of those that come several times the first.
    headers: Mapping[str, str]
    body: bytes


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """Return what an answer means. Its reason still holds whatever the server wrote."""
    kind = _kind(answer.status)
    if kind is OutcomeKind.DONE:
        return Outcome(kind, answer.status)
    wait = None
    if answer.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        wait = seconds_to_wait(answer.headers.get("retry-after", ""), now)
    return Outcome(kind, answer.status, _reason(answer, wait), wait)


def seconds_to_wait(retry_after: str, now: datetime) -> float | None:
    """Return what a `Retry-After` asks for, within the limits; None if it is neither seconds nor a date."""
    text = retry_after.strip()
    if re.fullmatch("[0-9]+", text):
        asked = float(text[:_DIGITS])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        # A date of HTTP is in GMT, also where its form has no place to say so.
        asked = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(asked, SHORTEST_WAIT), LONGEST_WAIT)


def _kind(status: int) -> OutcomeKind:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return OutcomeKind.DONE
    if status == HTTPStatus.GONE:
        return OutcomeKind.GONE
    # What is beyond the classes of HTTP is to be taken for a 5xx (RFC 9110, 15).
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return OutcomeKind.TRANSIENT
    return OutcomeKind.REFUSED


def _reason(answer: Answer, wait: float | None) -> str:
    known = {status.value: status for status in HTTPStatus}.get(answer.status)
    said = f"{answer.status} {known.phrase}" if known else str(answer.status)
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return f"{said}: leads to {_place(answer)}; redirects are not followed, so name its end in NOTIFY_URL"
    if hint := _HINTS.get(known) if known else None:
        said += f" ({hint})"
    if wait is not None:
        said += f" (again in {wait:.0f} s)"
    excerpt = _excerpt(answer)
    return f"{said}: {excerpt}" if excerpt else said


def _place(answer: Answer) -> str:
    """Return where a redirect leads, without what may be secret: path, query and user."""
    try:
        place = urlsplit(answer.headers.get("location", ""))
        host = place.hostname
    except ValueError:
        host = None
    if not host:
        return "another path"
    return f"{place.scheme}://{host}" if place.scheme else host


def _excerpt(answer: Answer) -> str:
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        # It was asked to send none, and unpacked it could be of any size.
        return "(packed text)"
    return answer.body.decode(errors="replace").strip()
