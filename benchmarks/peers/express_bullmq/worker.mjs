// BullMQ's worker and pg: the event, the grant and its ledger entry in one transaction.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { UnrecoverableError, Worker } from "bullmq";
import pg from "pg";

const concurrency = Number(process.env.WORKER_THREADS);
const prices = JSON.parse(readFileSync(process.env.PRICES_PATH, "utf8"));
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: concurrency });

const INSERT_EVENT = {
  name: "insert-event",
  text: `INSERT INTO events (key, event_type, payment_id, created, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (key) DO NOTHING RETURNING id`,
};
const INSERT_GRANT = {
  name: "insert-grant",
  text: `INSERT INTO grants (payment_id, item, wallet, quantity) VALUES ($1, $2, $3, $4)
         ON CONFLICT (payment_id, item) DO NOTHING`,
};
const INSERT_ENTRY = {
  name: "insert-entry",
  text: `INSERT INTO ledger_entries (payment_id, item, wallet, delta, event_id) VALUES ($1, $2, $3, $4, $5)`,
};

function priced({ webhookInfo: { item, quantity = 1 }, subtotal }) {
  if (!(item in prices) || !Number.isInteger(quantity) || quantity < 1) {
    throw new UnrecoverableError("Unknown item");
  }
  if (subtotal.cents !== prices[item] * quantity) {
    throw new UnrecoverableError("Price mismatch");
  }
  return { item, quantity };
}

async function fulfil(client, event) {
  const { data } = event;
  const body = JSON.stringify(event);
  const key = createHash("sha256").update(body).digest("hex");
  const stored = await client.query(INSERT_EVENT, [key, event.eventType, data.id, event.created, body]);
  if (stored.rowCount === 0 || event.eventType !== "Settled") {
    return;
  }
  const { item, quantity } = priced(data);
  const granted = await client.query(INSERT_GRANT, [data.id, item, data.customerId, quantity]);
  if (granted.rowCount === 1) {
    await client.query(INSERT_ENTRY, [data.id, item, data.customerId, quantity, stored.rows[0].id]);
  }
}

async function handle(job) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await fulfil(client, job.data);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

const worker = new Worker("events", handle, {
  connection: { url: process.env.BROKER_URL, maxRetriesPerRequest: null },
  concurrency,
});
worker.on("error", console.error);
