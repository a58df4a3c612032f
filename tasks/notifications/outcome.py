"""What one try of a notification came to."""

from dataclasses import dataclass
from enum import StrEnum

from tasks.store.notifications import own_words


class OutcomeKind(StrEnum):
    """What an outcome means for the next try."""

    #: Any 2xx; the merchant's function returned.
    DONE = "done"
    #: It may pass: a time-out, of which nobody knows what was done, a connection, 5xx, 429.
    TRANSIENT = "transient"
    #: Somebody must mend it: other 4xx, 3xx, a certificate, an address that is not allowed.
    REFUSED = "refused"
    #: 410: the endpoint wants nothing any more.
    GONE = "gone"
    #: The merchant's function raised a PermanentError.
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a try ended."""

    kind: OutcomeKind
    #: Of HTTP, where a status came.
    status: int | None = None
    #: One line for a person, at most 2 KiB in UTF-8, without control characters; None when done.
    reason: str | None = None
    #: Seconds, 1 to 3600, where the answer asks for them.
    retry_after: float | None = None

    @property
    def own_words(self) -> str | None:
        """The reason without what the server or function has said, which may quote whom it was told of."""
        is_ours = self.kind is OutcomeKind.REFUSED and self.status is None
        return self.reason if is_ours else own_words(self.reason)
