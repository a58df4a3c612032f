// What both Express peers check: the key in constant time, the size, the envelope.
import { createHash, timingSafeEqual } from "node:crypto";
import express from "express";

const digest = (text) => createHash("sha256").update(text).digest();
const key = digest(process.env.COINFLOW_VALIDATION_KEY);

function authenticate(request, response, next) {
  const given = request.get("Authorization") ?? "";
  return timingSafeEqual(digest(given), key) ? next() : response.status(401).json({ title: "Not authentic" });
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function isEvent(event) {
  return (
    isObject(event) &&
    typeof event.eventType === "string" &&
    event.eventType !== "" &&
    typeof event.created === "string" &&
    isObject(event.data)
  );
}

/** Listen; `hold` returns a promise that is kept once the broker holds the event. */
export function serve(hold) {
  const app = express();
  app.disable("x-powered-by");
  app.post("/webhooks/coinflow", authenticate, express.json({ limit: "1mb" }), async (request, response) => {
    if (!isEvent(request.body)) {
      return response.status(400).json({ title: "Not an event" });
    }
    try {
      await hold(request.body);
    } catch {
      return response.status(503).set("Retry-After", "5").json({ title: "Try again" });
    }
    return response.json({ success: true });
  });
  app.listen(Number(process.env.PORT), "127.0.0.1");
}
