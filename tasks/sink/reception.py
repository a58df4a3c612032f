"""What becomes of one notification: whether it is verified, stored and answered."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from tasks.sink.faults import Faults
from tasks.sink.inventory import Inventory
from tasks.sink.notification import GRANT_CHANGED, Change, Notification
from tasks.sink.reply import DONE, Reply, failure, refusal
from tasks.sink.report import line_of, novelty, told


class Reception:
    """Takes one notification after the other; those that fail on purpose are drawn from the verified ones."""

    def __init__(
        self,
        webhooks: Sequence[Webhook],
        inventory: Inventory,
        faults: Faults,
        retry_after: int | None,
        tell: Callable[[str], None],
    ) -> None:
        self._webhooks = webhooks
        self._inventory = inventory
        self._faults = faults
        self._retry_after = retry_after
        self._tell = tell
        #: How many were answered what.
        self.answered: Counter[str] = Counter()

    def receive(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Verify, store and tell what came; the names of the headers are in lower case."""
        moment = datetime.now(UTC)
        what, reply, note = self._judge(headers, body)
        self.answered[reply.label] += 1
        self._tell(line_of(moment, what, reply.label + note))
        return reply

    def _judge(self, headers: Mapping[str, str], body: bytes) -> tuple[str, Reply, str]:
        if doubt := self._doubt(headers, body):
            return "unverified", refusal(401, doubt), ""
        try:
            notification = Notification.model_validate_json(body)
            if notification.type != GRANT_CHANGED:
                return f"another type, {notification.type}", Reply("204", DONE), ""
            change = Change.model_validate(notification.data)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, fault["loc"])) or "body"
            return "no notification", refusal(400, f"{place}: {fault['msg']}"), ""
        return told(change), *self._take(change)

    def _doubt(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """Return why none of the secrets verifies it, None if one does."""
        doubt = None
        for webhook in self._webhooks:
            try:
                webhook.verify(body, dict(headers), json_parse=False)
            except WebhookVerificationError as error:
                doubt = str(error)
            except ValueError:
                # The library lets it pass where the signature is no base64, or the body no text.
                doubt = "Signature or body cannot be read"
            else:
                return None
        return doubt

    def _take(self, change: Change) -> tuple[Reply, str]:
        fault = self._faults.draw()
        note = ""
        if fault is None or fault.stores:
            try:
                note = novelty(change.version, self._inventory.store(change))
            except sqlite3.Error as error:
                return refusal(500, f"Not stored: {error}"), ""
        return (failure(fault, self._retry_after) if fault else Reply("204", DONE)), note
