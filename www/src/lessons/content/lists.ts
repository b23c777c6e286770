import { all, answered, type Lesson, ran, stored } from "../lesson.js";

export const lists: Lesson = {
  id: "lists",
  title: "Lists as queues",
  summary: "Jobs that wait in line, workers that wait for jobs, and how none is lost.",
  steps: [
    {
      title: "Two ends",
      text: `
        A list has a left and a right end, and both are fast, however long it is. Pushed left and popped right,
        it is a queue: first in, first out.
      `,
      commands: ["LPUSH lists:jobs mail:1 mail:2 mail:3", "LRANGE lists:jobs 0 -1", "RPOP lists:jobs"],
      check: all(ran("LPUSH", "lists:jobs"), answered((reply) => reply.type === "string", "RPOP", "lists:jobs")),
    },
    {
      title: "Looking without taking",
      text: `
        \`LRANGE\` answers a part of the list: from the first index to the last, both included, and -1 is the last
        element. \`LLEN\` is how long it is.
      `,
      commands: ["LLEN lists:jobs", "LRANGE lists:jobs 0 0"],
      check: all(ran("LLEN", "lists:jobs"), ran("LRANGE", "lists:jobs")),
    },
    {
      title: "A worker that waits",
      text: `
        A worker that asks again and again wastes time. \`BRPOP\` **waits** until there is something: it blocks
        this client, and no other. 0 is for as long as it takes.

        The second terminal below is another client. Empty the queue and have it wait there, then push a job
        here: it arrives at once.
      `,
      commands: ["DEL lists:jobs", { second: "BRPOP lists:jobs 0" }, "LPUSH lists:jobs mail:4"],
      check: answered((reply) => reply.type === "array" && reply.items.length === 2, "BRPOP", "lists:jobs"),
    },
    {
      title: "No job is lost",
      text: `
        A worker that dies after \`RPOP\` takes its job with it. \`LMOVE\` moves an element to another list in one
        step: the job is always in one of the two. When it is done, the worker takes it away with \`LREM\`.
      `,
      commands: [
        "LPUSH lists:jobs mail:5",
        "LMOVE lists:jobs lists:doing RIGHT LEFT",
        "LRANGE lists:doing 0 -1",
        "LREM lists:doing 1 mail:5",
      ],
      check: all(ran("LMOVE", "lists:jobs", "lists:doing"), ran("LREM", "lists:doing"), stored(async (redis) => (await redis.exists("lists:doing")) === 0)),
    },
    {
      title: "The last ten",
      text: `
        A list also keeps the newest of something: push, then cut it with \`LTRIM\` to the first few. Here, three.
      `,
      commands: ["LPUSH lists:recent a b c d e", "LTRIM lists:recent 0 2", "LRANGE lists:recent 0 -1"],
      check: all(ran("LTRIM", "lists:recent"), stored(async (redis) => (await redis.lLen("lists:recent")) === 3)),
    },
  ],
};
