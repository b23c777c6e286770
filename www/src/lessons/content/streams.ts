import { all, answered, type Lesson, ran, stored } from "../lesson.js";

export const streams: Lesson = {
  id: "streams",
  title: "Streams and consumer groups",
  summary: "A log that is kept, read from any place, and shared among workers who confirm what they did.",
  steps: [
    {
      title: "A log of entries",
      text: `
        \`XADD\` appends an entry of fields and values. \`*\` has Redis give it an id: the time in milliseconds, and
        a number. Entries stay until they are taken away.
      `,
      commands: ["XADD streams:orders * item tea qty 2", "XADD streams:orders * item cake qty 1", "XLEN streams:orders", "XRANGE streams:orders - +"],
      check: all(stored(async (redis) => (await redis.xLen("streams:orders")) >= 2), ran("XRANGE", "streams:orders")),
    },
    {
      title: "Reading on",
      text: `
        \`XREAD\` answers what comes after an id; 0 is the beginning. With \`BLOCK\` it waits for new ones: \`$\`
        is whatever is last now.
      `,
      commands: ["XREAD COUNT 1 STREAMS streams:orders 0", { second: "XREAD BLOCK 0 STREAMS streams:orders $" }, "XADD streams:orders * item soup qty 3"],
      check: answered((reply) => reply.type === "map" && reply.items.length > 0, "XREAD", "BLOCK"),
    },
    {
      title: "A group of workers",
      text: `
        A consumer group hands each entry to one of its consumers. \`>\` asks for what nobody was given yet. Here
        one works in each terminal.
      `,
      commands: [
        "XGROUP CREATE streams:orders kitchen 0",
        "XREADGROUP GROUP kitchen ada COUNT 1 STREAMS streams:orders >",
        { second: "XREADGROUP GROUP kitchen grace COUNT 1 STREAMS streams:orders >" },
        "XPENDING streams:orders kitchen",
      ],
      check: all(ran("XREADGROUP", "GROUP", "kitchen", "ada"), ran("XREADGROUP", "GROUP", "kitchen", "grace"), ran("XPENDING", "streams:orders", "kitchen")),
    },
    {
      title: "Done, and not done",
      text: `
        What was handed out stays pending until \`XACK\` confirms it. Who dies leaves it pending, and
        \`XAUTOCLAIM\` gives to another consumer what has waited for too long: here, for 0 milliseconds.
      `,
      commands: ["XAUTOCLAIM streams:orders kitchen ada 0 0", "XPENDING streams:orders kitchen - + 10"],
      check: all(ran("XAUTOCLAIM", "streams:orders", "kitchen"), ran("XPENDING", "streams:orders", "kitchen")),
    },
    {
      title: "Not for ever",
      text: "`XTRIM` keeps the newest entries only; `XADD` does the same on its way with `MAXLEN`.",
      commands: ["XTRIM streams:orders MAXLEN 2", "XLEN streams:orders"],
      check: all(ran("XTRIM", "streams:orders"), stored(async (redis) => (await redis.xLen("streams:orders")) <= 2)),
    },
  ],
};
