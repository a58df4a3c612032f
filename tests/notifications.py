"""Notifications as the product sends them to a merchant's server, made and signed here."""

import base64
import json
import secrets
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx2
from standardwebhooks import Webhook

#: What a wallet may use of an item.
State = Mapping[tuple[str, str], int]
Notification = dict[str, Any]


def new_secret() -> str:
    """Return a secret as a merchant would make one."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def history(payment_id: str, *states: State) -> Iterator[Notification]:
    """Yield what is told of a payment that goes through states; what one leaves out is usable no more."""
    lines: dict[tuple[str, str], int] = {}
    for version, state in enumerate(states, start=1):
        now = dict.fromkeys(lines, 0) | dict(state)
        items = [
            {
                "wallet": wallet,
                "item": item,
                "quantity": usable,
                "status": "granted" if usable else "revoked",
                "usable": usable,
                "delta": usable - lines.get((wallet, item), 0),
            }
            for (wallet, item), usable in now.items()
        ]
        lines = now
        change = {"payment_id": payment_id, "version": version, "cause": "Settled", "environment": "test"}
        yield {
            "type": "grant.changed",
            "timestamp": "2026-11-25T10:00:00.000Z",
            "data": change | {"items": items},
        }


def held(told: Iterable[Notification]) -> dict[str, dict[str, int]]:
    """Return what each wallet may use, once the newest version of each payment is known."""
    newest: dict[str, Notification] = {}
    for notification in told:
        change = notification["data"]
        if change["version"] > newest.get(change["payment_id"], {"version": 0})["version"]:
            newest[change["payment_id"]] = change
    wallets: dict[str, dict[str, int]] = {}
    for change in newest.values():
        for line in change["items"]:
            if line["usable"]:
                items = wallets.setdefault(line["wallet"], {})
                items[line["item"]] = items.get(line["item"], 0) + line["usable"]
    return wallets


def headers(secret: str, body: str, *, age: timedelta = timedelta()) -> dict[str, str]:
    """Return the headers of a body that was signed so long ago."""
    message_id, moment = f"msg_{uuid.uuid4()}", datetime.now(UTC) - age
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, moment, body),
    }


class Notifier:
    """Posts notifications to a server of this machine, over connections that it keeps."""

    def __init__(self, port: int, secret: str) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._secret = secret
        self._client = httpx2.Client(timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._client.close()

    def post(self, notification: Notification, *, secret: str | None = None) -> httpx2.Response:
        """Sign a notification and post it; return the answer. Raises httpx2.TransportError."""
        body = json.dumps(notification)
        return self.send(body, headers(secret or self._secret, body))

    def send(self, body: str, sent: Mapping[str, str]) -> httpx2.Response:
        """Post any body with any headers."""
        return self._client.post(f"{self._url}/notifications", content=body.encode(), headers=sent)

    def read(self, path: str) -> Any:
        """Return the document that a path answers with."""
        return self._client.get(f"{self._url}{path}").raise_for_status().json()
