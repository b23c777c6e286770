import { Queue, QueueEvents, Worker } from "bullmq";
import Redis from "ioredis";
import { server } from "lodis/node";
import { describe, expect, test } from "vitest";
import { checks } from "./checks.js";

describe("an app", () => checks());

test("a library that is handed the app's client, and duplicates it", async () => {
  const connection = new Redis("redis://queue.internal", { maxRetriesPerRequest: null });
  const queue = new Queue("jobs", { connection });
  const events = new QueueEvents("jobs", { connection });
  const worker = new Worker("jobs", async ({ data }) => data.n * 2, { connection });
  await events.waitUntilReady();
  const job = await queue.add("double", { n: 21 });
  expect(await job.waitUntilFinished(events, 10_000)).toBe(42);
  expect(await (await server("queue.internal:6379")).zCard("bull:jobs:completed")).toBe(1);
  await worker.close();
  await events.close();
  await queue.close();
  connection.disconnect();
});
