import { answered, answeredWith, any, exists, type Given, goal, inSecond, isNil, type Lesson, numberOf, ran, stored } from "../lesson.js";

/** Ada has the lock, for long enough to read on. */
const locked: Given = async (redis) => ((await redis.get("locks:report")) === "ada-1" ? [] : ["SET locks:report ada-1 PX 600000"]);

export const locks: Lesson = {
  id: "locks",
  title: "Locks",
  summary: "One at a time, among tabs or machines, and why a lock needs an end and an owner.",
  steps: [
    {
      title: "Taking the lock",
      text: `
        Whoever stores the key has the lock. \`NX\` lets only the first one do so; the next gets \`(nil)\`. \`PX\`
        ends the lock by itself after some milliseconds: otherwise a client that crashes would keep it for ever.

        The value is a word that only the owner knows. Usually it is random.
      `,
      commands: ["SET locks:report ada-1 NX PX 600000", { second: "SET locks:report grace-1 NX PX 60000" }],
      goals: [
        goal("Take the lock `locks:report`, so that it ends by itself", stored(async (redis) => (await redis.pttl("locks:report")) > 0)),
        goal("Let another client try in vain", answeredWith("NX", isNil, "SET", "locks:report")),
      ],
    },
    {
      title: "Giving back only your own",
      text: `
        If your lock has ended in the meantime, a plain \`DEL\` would delete somebody else’s. \`DELEX … IFEQ\`
        (Redis 8.4) deletes the key only if its value is still your word. Older versions do that with a script.

        First Grace tries with her word, then Ada with the right one.
      `,
      commands: [{ second: "DELEX locks:report IFEQ grace-1" }, "DELEX locks:report IFEQ ada-1"],
      given: locked,
      goals: [
        goal("Fail to delete it with the wrong word", answered((reply) => numberOf(reply) === 0, "DELEX|EVAL")),
        goal("Delete it with the right one", answered((reply) => numberOf(reply) === 1, "DELEX|EVAL"), exists("locks:report", false)),
      ],
    },
    {
      title: "It takes longer than I thought",
      text: `
        A client whose work takes longer asks for more time while it still has the lock. \`SET … IFEQ\` writes only
        if the value is still the same, so nobody prolongs a lock that is not theirs.

        If nobody does, the lock ends: give it two seconds, and see Grace get it then.
      `,
      commands: ["SET locks:report ada-1 IFEQ ada-1 PX 2000", "PTTL locks:report", { second: "SET locks:report grace-1 NX PX 60000" }],
      given: locked,
      goals: [
        goal("Set the time of a lock that you have", any(answeredWith("IFEQ", (reply) => reply.type === "status", "SET", "locks:report"), ran("PEXPIRE|EXPIRE", "locks:report"))),
        goal("Wait until it has ended, and let the second client have it", inSecond(answeredWith("NX", (reply) => reply.type === "status", "SET", "locks:report"))),
      ],
    },
    {
      title: "Somebody wakes up late",
      text: `
        A client may be stopped for longer than its lock lasts, wake up, and believe that it still has it. No lock
        can prevent that. So each owner also gets a number that only grows: a **fencing token**. Whatever the lock
        protects remembers the highest number it has seen, and refuses lower ones.

        Two owners take a number each. The report is a sorted set that remembers the highest one: \`ZADD … GT\`
        only lets it grow, and \`CH\` answers 1 if it did. The late one is refused: 0.
      `,
      commands: ["INCR locks:token", { second: "INCR locks:token" }, { second: "ZADD locks:seen GT CH 2 report" }, "ZADD locks:seen GT CH 1 report"],
      goals: [
        goal("Take two numbers or more from `locks:token`", stored(async (redis) => Number(await redis.get("locks:token")) >= 2)),
        goal("Be refused with a number that is too low", answeredWith("GT", (reply) => numberOf(reply) === 0, "ZADD", "locks:seen"), exists("locks:seen")),
      ],
    },
  ],
};
