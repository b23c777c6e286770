import { answered, answeredWith, any, goal, isFull, itemsOf, type Lesson, numberOf, ran, stored } from "../lesson.js";

const BOARD = { "sorted-sets:board": "ZADD sorted-sets:board 120 ada 80 grace 200 alan" };

export const sortedSets: Lesson = {
  id: "sorted-sets",
  title: "Sorted sets as leaderboards",
  summary: "Members in the order of their scores: ranks, pages, and what happened in the last hour.",
  steps: [
    {
      title: "Scores",
      text: `
        A sorted set gives each member a number, its **score**, and keeps the members in that order. \`ZADD\` adds
        members or changes their scores.

        \`ZRANGE\` reads them from the lowest score up, and with \`REV\` from the highest down: here the best three.
      `,
      commands: ["ZADD sorted-sets:board 120 ada 80 grace 200 alan", "ZRANGE sorted-sets:board 0 2 REV WITHSCORES"],
      goals: [
        goal("Put three players or more on `sorted-sets:board`", stored(async (redis) => (await redis.zCard("sorted-sets:board")) >= 3)),
        goal("Read the best of them", any(answeredWith("REV", isFull, "ZRANGE", "sorted-sets:board"), answered(isFull, "ZREVRANGE|ZREVRANGEBYSCORE", "sorted-sets:board"))),
      ],
    },
    {
      title: "Points",
      text: "`ZINCRBY` adds to a score in one step, and the member moves to its new place. `ZSCORE` reads a score.",
      commands: ["ZINCRBY sorted-sets:board 100 ada", "ZSCORE sorted-sets:board ada"],
      given: BOARD,
      goals: [
        goal("Give somebody points", any(ran("ZINCRBY", "sorted-sets:board"), answeredWith("INCR", (reply) => reply.type !== "error", "ZADD", "sorted-sets:board"))),
        goal("Read a score", ran("ZSCORE|ZMSCORE", "sorted-sets:board")),
      ],
    },
    {
      title: "Who is where?",
      text: `
        \`ZREVRANK\` tells how many are better, so 0 is the first place. It needs about twenty steps for a million
        players, not a million. \`ZCOUNT\` counts the members between two scores; \`+inf\` is “no limit”.
      `,
      commands: ["ZREVRANK sorted-sets:board ada", "ZREVRANK sorted-sets:board grace WITHSCORE", "ZCOUNT sorted-sets:board 100 +inf"],
      given: BOARD,
      goals: [
        goal("Ask for somebody’s rank", answered((reply) => reply.type === "integer" || itemsOf(reply).length > 0, "ZREVRANK|ZRANK", "sorted-sets:board")),
        goal("Count who is between two scores", answered((reply) => numberOf(reply) >= 0, "ZCOUNT", "sorted-sets:board")),
      ],
    },
    {
      title: "Scores can be times",
      text: `
        With times as scores, a sorted set is a timeline. \`ZRANGE … BYSCORE\` reads what happened between two
        moments, and \`ZREMRANGEBYSCORE\` removes what is too old. A \`(\` before a number leaves that number out.
      `,
      commands: [
        "ZADD sorted-sets:seen 1000 ada 1060 grace 1200 alan",
        "ZRANGE sorted-sets:seen 1050 +inf BYSCORE",
        "ZREMRANGEBYSCORE sorted-sets:seen -inf (1060",
      ],
      goals: [
        goal("Read who was seen from 1050 on", any(answeredWith("BYSCORE", isFull, "ZRANGE", "sorted-sets:seen"), answered(isFull, "ZRANGEBYSCORE|ZREVRANGEBYSCORE", "sorted-sets:seen"))),
        goal("Remove who was seen before 1060", ran("ZREMRANGEBYSCORE|ZREM|ZPOPMIN|ZREMRANGEBYRANK", "sorted-sets:seen"), stored(async (redis) => (await redis.zCount("sorted-sets:seen", "-inf", "(1060")) === 0 && (await redis.zCard("sorted-sets:seen")) > 0)),
      ],
    },
  ],
};
