"""Who may deliver: the Authorization key and the Coinflow-Signature.

Facts: Coinflow sends the Webhook Validation Key as the bare value of `Authorization`, and signs each
delivery with `Coinflow-Signature: t=<unix seconds>,v1=<hex>`, where `v1` is the HMAC-SHA256, keyed with
the same key, over `<t>.<raw body>` (Coinflow's pages on configuring webhooks and on verifying signatures).
"""

import hmac
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from receiver.reasons import NotTakenIn, Reason

_V1 = re.compile(r"[0-9a-fA-F]{64}")
_SECONDS = re.compile(r"[0-9]{1,12}")


class AuthenticationError(NotTakenIn):
    """The delivery carries no credential, or one that is wrong; the message never repeats it."""


def sign(key: bytes, body: bytes, timestamp: int) -> str:
    """Return the value of `Coinflow-Signature` for a raw body; `timestamp` in Unix seconds."""
    return f"t={timestamp},v1={_digest(key, str(timestamp), body)}"


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Accepts a delivery that carries the key or a valid signature, and nothing that is wrong."""

    keys: Sequence[bytes]
    require_signature: bool
    #: Seconds in both directions; 0 accepts any age.
    tolerance: int
    clock: Callable[[], float] = time.time

    def check(self, authorization: str | None, signature: str | None, body: bytes) -> None:
        """Raise AuthenticationError unless every credential that is there is right and one is."""
        if authorization is None and signature is None:
            raise AuthenticationError(
                Reason.NO_CREDENTIAL,
                "Send the Webhook Validation Key in Authorization, or Coinflow-Signature.",
            )
        if authorization is not None and not self._knows(authorization):
            raise AuthenticationError(
                Reason.WRONG_KEY, "Authorization does not hold a Webhook Validation Key of this receiver."
            )
        if signature is not None:
            self._check_signature(signature, body)
        elif self.require_signature:
            raise AuthenticationError(Reason.SIGNATURE_MISSING, "Coinflow-Signature is required.")

    def _knows(self, authorization: str) -> bool:
        # The bytes as they came: an HTTP server reads a header's bytes as Latin-1.
        given = authorization.encode("latin-1", "backslashreplace")
        # A sum compares with every key: the time taken does not tell which one matched.
        return sum(hmac.compare_digest(given, key) for key in self.keys) > 0

    def _check_signature(self, header: str, body: bytes) -> None:
        parts = [part.strip().partition("=") for part in header.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        signatures = [value.lower() for name, _, value in parts if name == "v1"]
        if (
            not all(equals for _, equals, _ in parts)
            or len(times) != 1
            or not _SECONDS.fullmatch(times[0])
            or not signatures
            or not all(map(_V1.fullmatch, signatures))
        ):
            raise AuthenticationError(
                Reason.SIGNATURE_MALFORMED,
                "Coinflow-Signature is not of the form t=<unix seconds>,v1=<hex>.",
            )
        expected = [_digest(key, times[0], body) for key in self.keys]
        if not sum(hmac.compare_digest(given, right) for given in signatures for right in expected):
            raise AuthenticationError(
                Reason.SIGNATURE_WRONG,
                "Coinflow-Signature does not match the body and a key of this receiver.",
            )
        if self.tolerance and abs(self.clock() - int(times[0])) > self.tolerance:
            raise AuthenticationError(
                Reason.SIGNATURE_OUT_OF_TIME,
                f"Coinflow-Signature is more than {self.tolerance} s away from now.",
            )


def _digest(key: bytes, timestamp: str, body: bytes) -> str:
    return hmac.digest(key, timestamp.encode() + b"." + body, "sha256").hex()
