import { all, type Lesson, ran, stored } from "../lesson.js";

export const sortedSets: Lesson = {
  id: "sorted-sets",
  title: "Sorted sets as leaderboards",
  summary: "Members in the order of their scores: ranks, pages, and what happened in the last hour.",
  steps: [
    {
      title: "Scores",
      text: `
        A sorted set gives every member a number, its score, and keeps them in that order. \`ZADD\` adds members or
        gives them other scores; \`ZRANGE … REV\` answers the best ones first.
      `,
      commands: ["ZADD sorted-sets:board 120 ada 80 grace 200 alan", "ZRANGE sorted-sets:board 0 2 REV WITHSCORES"],
      check: all(stored(async (redis) => (await redis.zCard("sorted-sets:board")) >= 3), ran("ZRANGE", "sorted-sets:board")),
    },
    {
      title: "Points",
      text: "`ZINCRBY` adds to a score in one step, and the member moves to its new place.",
      commands: ["ZINCRBY sorted-sets:board 100 ada", "ZSCORE sorted-sets:board ada"],
      check: all(ran("ZINCRBY", "sorted-sets:board"), ran("ZSCORE", "sorted-sets:board")),
    },
    {
      title: "Which place?",
      text: `
        \`ZREVRANK\` answers how many are better, so 0 is the first place. It takes a time that grows with the
        logarithm of the size: twenty steps for a million players.
      `,
      commands: ["ZREVRANK sorted-sets:board ada", "ZREVRANK sorted-sets:board grace WITHSCORE", "ZCOUNT sorted-sets:board 100 +inf"],
      check: all(ran("ZREVRANK", "sorted-sets:board"), ran("ZCOUNT", "sorted-sets:board")),
    },
    {
      title: "Scores can be times",
      text: `
        With the time as the score, a sorted set is a timeline: what happened between two moments, and what is too
        old is taken away by \`ZREMRANGEBYSCORE\`.
      `,
      commands: [
        "ZADD sorted-sets:seen 1000 ada 1060 grace 1200 alan",
        "ZRANGE sorted-sets:seen 1050 +inf BYSCORE",
        "ZREMRANGEBYSCORE sorted-sets:seen -inf (1060",
      ],
      check: all(
        ran("ZRANGE", "sorted-sets:seen"),
        stored(async (redis) => (await redis.zScore("sorted-sets:seen", "ada")) === null && (await redis.zCard("sorted-sets:seen")) > 0),
      ),
    },
  ],
};
