"""The request that carries a notification, signed as Standard Webhooks say."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

import httpx2
from standardwebhooks import Webhook

from celeryconfig import TRACEPARENT

#: The product and its version, by which the server's own log tells who asks.
USER_AGENT = "coinflow-webhooks/0.1.0"
#: Characters; shorter parts of a URL occur elsewhere by chance, and keep no secret.
_TELLING = 6


@dataclass(frozen=True, slots=True)
class Request:
    """A POST."""

    #: Path and query.
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class RequestForm:
    """What all requests to a URL have in common.

    Every secret signs, so that during a rotation a server may have either. A user and password in the URL are
    sent as HTTP's basic authentication.
    """

    def __init__(self, url: httpx2.URL, secrets: Sequence[str]) -> None:
        self._target = url.raw_path
        self._signers = [Webhook(secret) for secret in secrets]
        self._headers = [
            (b"host", url.netloc),
            (b"user-agent", USER_AGENT.encode()),
            (b"content-type", b"application/json"),
            # What is packed could be of any size unpacked, and is not read.
            (b"accept-encoding", b"identity"),
        ]
        if url.userinfo:
            self._headers.append((b"authorization", b"Basic " + _credentials(url)))

    def fill(self, message_id: str, body: bytes, now: datetime, *, traceparent: str | None = None) -> Request:
        """Return one try's request; `now` has a time zone. `traceparent` is the context of the try's span."""
        text = body.decode()
        signatures = " ".join(signer.sign(message_id, now, text) for signer in self._signers)
        headers = [
            *self._headers,
            (b"content-length", str(len(body)).encode()),
            (b"webhook-id", message_id.encode()),
            (b"webhook-timestamp", str(int(now.timestamp())).encode()),
            (b"webhook-signature", signatures.encode()),
        ]
        if traceparent:
            headers.append((TRACEPARENT.encode(), traceparent.encode()))
        return Request(self._target, headers, body)


def secrets_of(url: httpx2.URL, secrets: Sequence[str]) -> list[str]:
    """Return what no message may quote, long ones first: secrets, user, password, query and its values."""
    query = url.query.decode()
    values = [value for _, value in parse_qsl(query)] + [part.partition("=")[2] for part in query.split("&")]
    whole = {*secrets, *(secret.removeprefix("whsec_") for secret in secrets), query}
    whole |= {url.userinfo.decode(), _credentials(url).decode()} if url.userinfo else set()
    parts = {part for part in (*values, url.username, url.password) if len(part) >= _TELLING}
    return sorted((whole | parts) - {""}, key=len, reverse=True)


def _credentials(url: httpx2.URL) -> bytes:
    return base64.b64encode(f"{url.username}:{url.password}".encode())
