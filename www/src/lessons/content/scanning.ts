import { all, type Lesson, ran, stored } from "../lesson.js";

export const scanning: Lesson = {
  id: "scanning",
  title: "KEYS and SCAN",
  summary: "Finding keys without stopping everybody else.",
  steps: [
    {
      title: "All at once",
      text: `
        \`KEYS\` answers every key that matches a pattern: \`*\` stands for anything, \`?\` for one letter. It looks
        at all keys there are before anybody else has a turn: with millions of them, a server stands still.
      `,
      commands: ["MSET scanning:a 1 scanning:b 2 scanning:c 3 scanning:d 4", "KEYS scanning:*"],
      check: all(stored(async (redis) => (await redis.exists("scanning:a", "scanning:d")) === 2), ran("KEYS")),
    },
    {
      title: "Bit by bit",
      text: `
        \`SCAN\` answers some, and a cursor to go on with; others have their turn in between. At the end the cursor
        is 0. It may answer a key twice, and none for a while; what was there all the time is answered for sure.
      `,
      commands: ["SCAN 0 MATCH scanning:* COUNT 1000", "SCAN 0 MATCH scanning:* COUNT 1000 TYPE string"],
      check: all(ran("SCAN"), ({ ran: all }) => all.some(({ words }) => words.some((word) => word.toUpperCase() === "TYPE"))),
    },
    {
      title: "Large collections too",
      text: "`HSCAN`, `SSCAN` and `ZSCAN` do the same inside of one key.",
      commands: ["ZADD scanning:scores 1 a 2 b 3 c", "ZSCAN scanning:scores 0"],
      check: all(stored(async (redis) => (await redis.zCard("scanning:scores")) >= 3), ran("ZSCAN", "scanning:scores")),
    },
  ],
};
