import { visitorsDemo } from "../demos/visitors.js";
import { answered, any, goal, type Lesson, numberOf, ran, ranTimes, stored } from "../lesson.js";

const MONDAY = { "hyperloglog:monday": "PFADD hyperloglog:monday ada grace alan" };

export const hyperloglog: Lesson = {
  id: "hyperloglog",
  title: "Counting visitors with HyperLogLog",
  summary: "How many different visitors there were, in 12 KB, however many they are.",
  steps: [
    {
      title: "How many different ones?",
      text: `
        A set that knows every visitor grows with each of them. If you only want to know **how many different**
        ones there were, a HyperLogLog will do: it takes 12 KB at most, forgets who they were, and is nearly always
        less than 2 % off.

        \`PFADD\` adds, and \`PFCOUNT\` tells how many. Add somebody twice: they count once.
      `,
      commands: ["PFADD hyperloglog:monday ada grace alan", "PFADD hyperloglog:monday ada", "PFCOUNT hyperloglog:monday"],
      goals: [
        goal("Add three visitors or more to `hyperloglog:monday`", stored(async (redis) => (await redis.pfCount("hyperloglog:monday")) >= 3)),
        goal("Add somebody again: `PFADD` answers 0", answered((reply) => numberOf(reply) === 0, "PFADD", "hyperloglog:monday")),
        goal("Ask how many there were", ran("PFCOUNT", "hyperloglog:monday")),
      ],
    },
    {
      title: "Two days together",
      text: "`PFCOUNT` of several keys counts somebody who came on both days only once. `PFMERGE` keeps the sum.",
      commands: [
        "PFADD hyperloglog:tuesday grace linus",
        "PFCOUNT hyperloglog:monday hyperloglog:tuesday",
        "PFMERGE hyperloglog:week hyperloglog:monday hyperloglog:tuesday",
        "PFCOUNT hyperloglog:week",
      ],
      given: MONDAY,
      goals: [
        goal("Count both days together", any(ran("PFCOUNT", "hyperloglog:monday", "hyperloglog:tuesday"), ran("PFCOUNT", "hyperloglog:tuesday", "hyperloglog:monday"))),
        goal("Keep the sum in `hyperloglog:week`", stored(async (redis) => {
          const both = await redis.pfCount(["hyperloglog:monday", "hyperloglog:tuesday"]);
          return (await redis.exists("hyperloglog:tuesday")) === 1 && (await redis.pfCount("hyperloglog:week")) === both;
        })),
      ],
    },
    {
      title: "Ten thousand visitors",
      text: `
        With few members it is exact, and small. Now let many come, to a set and to a HyperLogLog, and compare what
        they say, and how much memory they take. Press the button more than once: the set grows, the other does not.
      `,
      demo: visitorsDemo("hyperloglog:set", "hyperloglog:many"),
      commands: ["SCARD hyperloglog:set", "PFCOUNT hyperloglog:many", "MEMORY USAGE hyperloglog:set", "MEMORY USAGE hyperloglog:many"],
      goals: [
        goal("Let thousands of visitors come to both", stored(async (redis) => (await redis.sCard("hyperloglog:set")) >= 1000 && (await redis.pfCount("hyperloglog:many")) >= 900)),
        goal("Compare the counts", ran("SCARD", "hyperloglog:set"), ran("PFCOUNT", "hyperloglog:many")),
        goal("Compare the memory", any(ranTimes(2, "MEMORY", "USAGE"), ran("STRLEN", "hyperloglog:many"))),
      ],
    },
  ],
};
