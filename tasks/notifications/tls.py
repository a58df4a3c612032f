"""Whom the client trusts, and what helps where it does not."""

import ssl
from pathlib import Path

from tasks.notifications.failure import Failure
from tasks.notifications.outcome import OutcomeKind

#: What helps, by OpenSSL's number of what is wrong (X509_V_ERR_...).
_UNKNOWN_AUTHORITY = (
    "name its authority in NOTIFY_CA_FILE, or have the server send all certificates up to a known one"
)
_ANOTHER_NAME = "name the host in NOTIFY_URL as its certificate does"
_REMEDIES = {
    9: "is the clock right?",
    10: "renew it",
    18: _UNKNOWN_AUTHORITY,
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    62: _ANOTHER_NAME,
    64: _ANOTHER_NAME,
}


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return what trusts the authorities of the system, and those of a file in PEM form besides.

    Raises ValueError, for a person, if the file is none.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(
                f"{ca_file} cannot be read as a file of certificates in PEM form ({error.strerror})"
            ) from error
    return context


def tls_failure(error: ssl.SSLError, place: str) -> Failure:
    """Return why there is no TLS with a server, and what helps."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what = error.verify_message.rstrip(".")
        remedy = _REMEDIES.get(error.verify_code, "another certificate is needed")
        return Failure(f"the certificate of {place} is refused: {what}; {remedy}", OutcomeKind.REFUSED)
    return Failure(f"no TLS with {place} ({error.reason or error.strerror}); does it speak https?")
