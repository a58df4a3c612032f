// A game server's inventory, told by notifications: node server.mjs
import Database from "better-sqlite3";
import express from "express";
import { Webhook } from "standardwebhooks";

const { NOTIFY_SECRET, INVENTORY = "inventory.sqlite3", PORT = "8090" } = process.env;
const webhook = new Webhook(NOTIFY_SECRET);

const database = new Database(INVENTORY);
database.pragma("journal_mode = WAL");
// What was answered 2xx is not told again, so it must be on the disk; this package's default is less.
database.pragma("synchronous = FULL");
database.exec(`
  CREATE TABLE IF NOT EXISTS inventory (
    payment_id TEXT, wallet TEXT, item TEXT, version INTEGER, usable INTEGER,
    PRIMARY KEY (payment_id, wallet, item)
  )`);
const store = database.prepare(`
  INSERT INTO inventory (payment_id, wallet, item, version, usable)
  VALUES (:payment_id, :wallet, :item, :version, :usable)
  ON CONFLICT (payment_id, wallet, item) DO UPDATE SET version = excluded.version, usable = excluded.usable
  WHERE inventory.version < excluded.version`);
const held = database.prepare(
  "SELECT item, sum(usable) AS usable FROM inventory WHERE wallet = ? GROUP BY item HAVING sum(usable) > 0",
);

// All lines or none: a transaction commits at its end.
const storeAll = database.transaction(({ payment_id, version, items }) => {
  for (const line of items) store.run({ ...line, payment_id, version });
});

const app = express();

// The signature is of the bytes as they came, so they are verified before they are read as JSON.
app.post("/notifications", express.raw({ type: () => true, limit: "1mb" }), (request, response) => {
  let notification;
  try {
    notification = webhook.verify(request.body, request.headers);
  } catch {
    return response.sendStatus(401);
  }
  if (notification.type === "grant.changed") storeAll(notification.data);
  response.sendStatus(204);
});

app.get("/inventory/:wallet", (request, response) => {
  const rows = held.all(request.params.wallet);
  response.json(Object.fromEntries(rows.map(({ item, usable }) => [item, usable])));
});

app.listen(Number(PORT), "127.0.0.1");
