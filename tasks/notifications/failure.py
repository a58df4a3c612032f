"""Why a try of a notification has no answer."""

from tasks.notifications.outcome import OutcomeKind


class Failure(Exception):  # it is the end of a try, not a mistake of ours
    """The try is over. The message is for a person, and says what helps."""

    def __init__(self, reason: str, kind: OutcomeKind = OutcomeKind.TRANSIENT) -> None:
        super().__init__(reason)
        self.kind = kind


class Unanswered(Failure):
    """The server ended the connection, and not a byte of an answer had come."""
