"""Why a delivery is not taken in, in words to count by; `docs/reference/http-answers.md` says the same."""

from enum import StrEnum


class Reason(StrEnum):
    """A fixed word, for anybody on the internet can cause a refusal."""

    NO_CREDENTIAL = "no_credential"
    WRONG_KEY = "wrong_key"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_WRONG = "signature_wrong"
    SIGNATURE_OUT_OF_TIME = "signature_out_of_time"
    NOT_JSON = "not_json"
    NOT_AN_EVENT = "not_an_event"
    BODY_TOO_LARGE = "body_too_large"
    BROKER_AWAY = "broker_away"
    BROKER_SLOW = "broker_slow"
    TOO_MANY_WAIT = "too_many_wait"


class NotTakenIn(Exception):
    """A delivery is refused; the message is for its sender, the reason for whoever counts."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
