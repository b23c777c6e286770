import type { Redis } from "lodis";
import { answered, answeredWith, any, goal, inSecond, isFull, itemsOf, type Lesson, ran, stored } from "../lesson.js";

const ORDERS = { "streams:orders": "XADD streams:orders * item tea qty 2" };
const TASKS = ["XADD streams:tasks 1-1 do cook", "XADD streams:tasks 1-2 do wash"] as const;

const listOf = (reply: unknown): readonly unknown[] => (Array.isArray(reply) ? reply : []);

async function hasGroup(redis: Redis): Promise<boolean> {
  if (!(await redis.exists("streams:tasks"))) return false;
  return JSON.stringify(await redis.call("XINFO", "GROUPS", "streams:tasks")).includes('"kitchen"');
}

async function pending(redis: Redis): Promise<number> {
  return Number(listOf(await redis.call("XPENDING", "streams:tasks", "kitchen"))[0] ?? 0);
}

export const streams: Lesson = {
  id: "streams",
  title: "Streams and consumer groups",
  summary: "A log that is kept, read from any place, and shared among workers who confirm what they did.",
  steps: [
    {
      title: "A log of entries",
      text: `
        \`XADD\` appends an entry of fields and values to a stream. With \`*\`, Redis gives it an id: the time in
        milliseconds, and a number. Unlike messages, entries stay until they are removed.

        \`XRANGE\` reads from one id to another; \`-\` is the first there is, \`+\` the last.
      `,
      commands: ["XADD streams:orders * item tea qty 2", "XADD streams:orders * item cake qty 1", "XRANGE streams:orders - +"],
      goals: [
        goal("Append two orders or more to `streams:orders`", stored(async (redis) => (await redis.xLen("streams:orders")) >= 2)),
        goal("Read them", answered(isFull, "XRANGE|XREVRANGE", "streams:orders")),
      ],
    },
    {
      title: "Reading on",
      text: `
        \`XREAD\` reads what comes after an id, and 0 is before all of them. A reader remembers the last id that it
        got, and goes on from there.

        With \`BLOCK\` it waits for new entries; \`$\` means “only what comes from now on”.
      `,
      commands: ["XREAD COUNT 1 STREAMS streams:orders 0", { second: "XREAD BLOCK 0 STREAMS streams:orders $" }, "XADD streams:orders * item soup qty 3"],
      given: ORDERS,
      goals: [
        goal("Read from the beginning", answered(isFull, "XREAD")),
        goal("Let the second terminal wait for an order, and get it", inSecond(answeredWith("BLOCK", isFull, "XREAD|XREADGROUP"))),
      ],
    },
    {
      title: "A group of workers",
      text: `
        A **consumer group** hands each entry to only one of its workers. \`>\` asks for entries that nobody in the
        group has been given yet. Here, one worker sits in each terminal, and \`XPENDING\` tells who has something
        in hand.

        The entries of this stream have ids of their own, 1-1 and 1-2, so that they are easy to name.
      `,
      commands: [
        "XGROUP CREATE streams:tasks kitchen 0",
        "XREADGROUP GROUP kitchen ada COUNT 1 STREAMS streams:tasks >",
        { second: "XREADGROUP GROUP kitchen grace COUNT 1 STREAMS streams:tasks >" },
        "XPENDING streams:tasks kitchen",
      ],
      given: { "streams:tasks": TASKS.join("\n") },
      goals: [
        goal("Make the group `kitchen`", stored(hasGroup)),
        goal("Let two workers read with it", stored(async (redis) => (await hasGroup(redis)) && listOf(await redis.call("XINFO", "CONSUMERS", "streams:tasks", "kitchen")).length >= 2)),
        goal("See who has something in hand", answered(isFull, "XPENDING", "streams:tasks", "kitchen")),
      ],
    },
    {
      title: "Done, or not done",
      text: `
        What a worker was given stays **pending** until \`XACK\` confirms that it is done. If the worker dies, its
        entries are still pending, and \`XAUTOCLAIM\` hands over to another one what has been pending for too long:
        here, for 0 milliseconds. Take Grace’s entry over, then confirm both.
      `,
      commands: ["XAUTOCLAIM streams:tasks kitchen ada 0 0", "XACK streams:tasks kitchen 1-1 1-2", "XPENDING streams:tasks kitchen"],
      given: async (redis) => {
        const lines: string[] = (await redis.exists("streams:tasks")) ? [] : [...TASKS];
        if (lines.length > 0 || !(await hasGroup(redis))) lines.push("XGROUP CREATE streams:tasks kitchen 0");
        if (lines.length > 0 || (await pending(redis)) === 0) lines.push("XGROUP SETID streams:tasks kitchen 0", "XREADGROUP GROUP kitchen grace STREAMS streams:tasks >");
        return lines;
      },
      goals: [
        goal("Let one worker take over what another has in hand", answered((reply) => itemsOf(reply).length > 0, "XAUTOCLAIM|XCLAIM", "streams:tasks", "kitchen")),
        goal("Confirm everything, until nothing is pending", ran("XACK|XACKDEL", "streams:tasks"), stored(async (redis) => (await pending(redis)) === 0)),
      ],
    },
    {
      title: "Not for ever",
      text: "A stream would grow for ever. `XTRIM` keeps only the newest entries, and `XADD` does the same on its way if you add `MAXLEN`.",
      commands: ["XTRIM streams:orders MAXLEN 2", "XLEN streams:orders"],
      given: ORDERS,
      goals: [
        goal("Cut `streams:orders` to two entries or fewer", any(ran("XTRIM", "streams:orders"), answeredWith("MAXLEN", (reply) => reply.type === "string", "XADD"), ran("XDEL", "streams:orders")), stored(async (redis) => (await redis.xLen("streams:orders")) <= 2)),
      ],
    },
  ],
};
