"""A game server's inventory, told by notifications: gunicorn "examples.game_server.server:get_app()"."""

import os
import sqlite3
from contextlib import closing

import falcon
from standardwebhooks import Webhook, WebhookVerificationError

TABLE = """
CREATE TABLE IF NOT EXISTS inventory (
    payment_id TEXT, wallet TEXT, item TEXT, version INTEGER, usable INTEGER,
    PRIMARY KEY (payment_id, wallet, item)
)"""
STORE = """
INSERT INTO inventory (payment_id, wallet, item, version, usable)
VALUES (:payment_id, :wallet, :item, :version, :usable)
ON CONFLICT (payment_id, wallet, item) DO UPDATE SET version = excluded.version, usable = excluded.usable
WHERE inventory.version < excluded.version"""
HELD = "SELECT item, sum(usable) FROM inventory WHERE wallet = ? GROUP BY item HAVING sum(usable) > 0"


class Notifications:
    """`POST /notifications`: stores what a payment's newest version says, whatever order and copies come."""

    def __init__(self, file: str, webhook: Webhook) -> None:
        self._file = file
        self._webhook = webhook

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer once it is stored: what was answered 2xx is not told again."""
        try:
            # The signature is of the bytes as they came, so they are verified before they are read.
            notification = self._webhook.verify(request.bounded_stream.read(), dict(request.headers))
        except (WebhookVerificationError, ValueError):
            raise falcon.HTTPUnauthorized from None
        if notification["type"] == "grant.changed":
            change = notification["data"]
            about = {"payment_id": change["payment_id"], "version": change["version"]}
            # All lines or none: the block commits at its end.
            with closing(sqlite3.connect(self._file)) as database, database:
                database.executemany(STORE, [line | about for line in change["items"]])
        response.status = falcon.HTTP_NO_CONTENT


class Inventory:
    """`GET /inventory/alice`: what a player may use, by all payments together."""

    def __init__(self, file: str) -> None:
        self._file = file

    def on_get(self, _request: falcon.Request, response: falcon.Response, wallet: str) -> None:
        """Answer how many of each item."""
        with closing(sqlite3.connect(self._file)) as database:
            response.media = dict(database.execute(HELD, [wallet]).fetchall())


def get_app() -> falcon.App[falcon.Request, falcon.Response]:
    """Return the server; the environment names its secret and its file."""
    file = os.environ.get("INVENTORY", "inventory.sqlite3")
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(TABLE)
    app = falcon.App()
    app.add_route("/notifications", Notifications(file, Webhook(os.environ["NOTIFY_SECRET"])))
    app.add_route("/inventory/{wallet}", Inventory(file))
    return app
