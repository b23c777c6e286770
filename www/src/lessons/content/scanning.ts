import { open } from "lodis";
import { scanDemo } from "../demos/scan.js";
import { answered, answeredWith, type Check, goal, isFull, itemsOf, type Lesson, ran, textOf } from "../lesson.js";

const ABCD = { "scanning:a": "MSET scanning:a 1 scanning:b 2 scanning:c 3 scanning:d 4" };

export const scanning: Lesson = {
  id: "scanning",
  title: "KEYS and SCAN",
  summary: "Finding keys without making everybody else wait.",
  secondStore: () => open("playground-scanning", { store: "memory" }),
  steps: [
    {
      title: "All at once",
      text: `
        \`KEYS\` answers every key that matches a pattern: \`*\` stands for anything, \`?\` for one letter. To do so, it
        looks at **every** key before anybody else gets a turn. With millions of them, a server stands still.
      `,
      commands: ["MSET scanning:a 1 scanning:b 2 scanning:c 3 scanning:d 4", "KEYS scanning:*"],
      goals: [goal("Find the keys that begin with `scanning:`", answered((reply) => itemsOf(reply).some((item) => textOf(item).startsWith("scanning:")), "KEYS"))],
    },
    {
      title: "Bit by bit",
      text: `
        \`SCAN\` looks at some keys only, and answers those that match, with a **cursor**: a number to go on with.
        Others get their turn in between. When the cursor is 0 again, you have seen everything.

        It may answer a key twice, or none at all for a while. But whatever was there all the time is certain to be
        answered. \`COUNT\` is how many keys it looks at, roughly.
      `,
      commands: ["SCAN 0 MATCH scanning:* COUNT 1000", "SCAN 0 MATCH scanning:* COUNT 1000 TYPE string"],
      given: ABCD,
      goals: [
        goal("Scan with a pattern", answeredWith("MATCH", isFull, "SCAN")),
        goal("Scan for keys of one type", answeredWith("TYPE", isFull, "SCAN")),
      ],
    },
    {
      title: "Who waits, and how long?",
      text: `
        Now with many keys: the second terminal has a store of its own for that. Make them, then find those that
        end in 777, once with \`KEYS\` and once with \`SCAN\`.

        While it runs, somebody else takes every turn they can get. \`SCAN\` takes longer in all, but nobody waits
        for long. (What the bars show holds for 99 of 100 turns: your machine does other things, too.)
      `,
      demo: scanDemo,
      commands: [{ second: "DBSIZE" }, { second: "SCAN 0 MATCH scanning:user:*777 COUNT 1000" }, { second: "INFO commandstats" }],
      goals: [
        goal("Make many keys", async ({ second }) => Number(await second?.dbSize()) >= 10_000),
        goal("Find some with `KEYS`", called("keys")),
        goal("Find the same with `SCAN`", called("scan")),
      ],
    },
    {
      title: "Large collections, too",
      text: "One key may hold very much as well. `HSCAN`, `SSCAN` and `ZSCAN` go through it in the same way; small collections are answered at once.",
      commands: ["ZADD scanning:scores 1 a 2 b 3 c", "ZSCAN scanning:scores 0"],
      goals: [goal("Go through a hash, a set or a sorted set", ran("HSCAN|SSCAN|ZSCAN"))],
    },
  ],
};

/** Sees in the second terminal's store whether it was called with many keys in it. */
function called(name: string): Check {
  return async ({ second }) => {
    if (!second || (await second.dbSize()) < 10_000) return false;
    return new RegExp(`^cmdstat_${name}:calls=[1-9]`, "m").test(await second.info("commandstats"));
  };
}
