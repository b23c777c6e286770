import { all, answered, type Lesson, ran, stored } from "../lesson.js";

export const locks: Lesson = {
  id: "locks",
  title: "Locks",
  summary: "One at a time, among tabs or machines, and why a lock needs an end and an owner.",
  steps: [
    {
      title: "Taking it",
      text: `
        Who stores the key has the lock: \`NX\` lets only the first one. \`PX\` ends it by itself, or a client that
        dies would keep it for ever. The value is a word that only the owner knows.
      `,
      commands: ["SET locks:report ada-1 NX PX 60000", { second: "SET locks:report grace-1 NX PX 60000" }],
      check: all(
        stored(async (redis) => (await redis.exists("locks:report")) === 1),
        answered((reply) => reply.type === "nil", "SET", "locks:report"),
      ),
    },
    {
      title: "Giving back only one's own",
      text: `
        Had the lock ended meanwhile, a plain \`DEL\` would delete somebody else's. \`DELEX … IFEQ\` deletes it only
        if the value is still one's own. First the wrong word, then the right one.
      `,
      commands: [{ second: "DELEX locks:report IFEQ grace-1" }, "DELEX locks:report IFEQ ada-1"],
      check: all(ran("DELEX", "locks:report"), stored(async (redis) => (await redis.exists("locks:report")) === 0)),
    },
    {
      title: "Who was slow",
      text: `
        A client may be stopped for longer than its lock lasts, wake up, and believe that it still has it. So give
        each owner a number that only grows, and have whatever is protected refuse lower numbers than it has
        seen: a **fencing token**.
      `,
      commands: ["INCR locks:report:token", "SET locks:report ada-2 NX PX 60000", "DELEX locks:report IFEQ ada-2", { second: "INCR locks:report:token" }],
      check: stored(async (redis) => Number(await redis.get("locks:report:token")) >= 2),
    },
  ],
};
