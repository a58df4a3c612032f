// Express and BullMQ: 200 once Redis has taken the job.
import cluster from "node:cluster";
import { Queue } from "bullmq";
import { serve } from "./receiving.mjs";

if (cluster.isPrimary) {
  for (let each = 0; each < Number(process.env.WEB_CONCURRENCY); each += 1) {
    cluster.fork();
  }
} else {
  const queue = new Queue("events", {
    connection: { url: process.env.BROKER_URL, enableOfflineQueue: false },
    defaultJobOptions: {
      attempts: 10,
      backoff: { type: "exponential", delay: 1000 },
      removeOnComplete: true,
    },
  });
  await queue.waitUntilReady();
  serve((event) => queue.add(event.eventType, event));
}
