import { all, answered, type Lesson, ran, stored } from "../lesson.js";

const SLIDING = [
  "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[2])",
  "if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end",
  "redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4]) redis.call('PEXPIRE', KEYS[1], ARGV[2]) return 1",
].join(" ");

export const rateLimits: Lesson = {
  id: "rate-limits",
  title: "Limits",
  summary: "Three in ten seconds: counted in a window, and exactly, with a script.",
  steps: [
    {
      title: "A window",
      text: `
        Count the calls of somebody in a key that ends with the window. \`SET … EX 10 NX\` begins a window if there
        is none, \`INCR\` counts. Whoever is above the limit is sent away.
      `,
      commands: [
        "SET rate-limits:ada 0 EX 10 NX",
        "INCR rate-limits:ada",
        "INCR rate-limits:ada",
        "INCR rate-limits:ada",
        "INCR rate-limits:ada",
      ],
      check: answered((reply) => reply.type === "integer" && Number(reply.text) > 3, "INCR", "rate-limits:ada"),
    },
    {
      title: "Its weakness",
      text: `
        At the end of one window and the beginning of the next, twice as much gets through in a moment. Keep the
        times instead: a sorted set with the time of each call as its score. What is older than the window is
        taken out, and what is left is counted.
      `,
      commands: [
        "ZADD rate-limits:log 1000 call-1 4000 call-2 9000 call-3",
        "ZREMRANGEBYSCORE rate-limits:log -inf 2000",
        "ZCARD rate-limits:log",
      ],
      check: all(ran("ZREMRANGEBYSCORE", "rate-limits:log"), ran("ZCARD", "rate-limits:log")),
    },
    {
      title: "In one step",
      text: `
        Between counting and adding, another client may do the same, and both get through. A **script** runs as
        one command: nobody comes in between. It is given the time, the window, the limit, and a name for the
        call. The fourth call is refused: it answers 0.

        The first script loads the part of Lodis that runs Lua; it takes a moment.
      `,
      commands: [1, 2, 3, 4].map((call) => `EVAL "${SLIDING}" 1 rate-limits:exact ${5000 + call} 10000 3 call-${call}`),
      check: all(
        answered((reply) => reply.type === "integer" && reply.text === "0", "EVAL"),
        stored(async (redis) => (await redis.zCard("rate-limits:exact")) === 3),
      ),
    },
  ],
};
