// Express and amqplib: 200 once RabbitMQ has confirmed that a quorum queue holds the event.
import cluster from "node:cluster";
import amqp from "amqplib";
import { serve } from "./receiving.mjs";

const QUEUE = "events";

if (cluster.isPrimary) {
  for (let each = 0; each < Number(process.env.WEB_CONCURRENCY); each += 1) {
    cluster.fork();
  }
} else {
  const connection = await amqp.connect(process.env.BROKER_URL);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(QUEUE, { durable: true, arguments: { "x-queue-type": "quorum" } });
  serve(
    (event) =>
      new Promise((resolve, reject) => {
        const message = Buffer.from(JSON.stringify(event));
        channel.sendToQueue(QUEUE, message, { persistent: true, contentType: "application/json" }, (error) =>
          error ? reject(error) : resolve(),
        );
      }),
  );
}
