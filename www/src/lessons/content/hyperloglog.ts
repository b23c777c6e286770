import { all, type Lesson, ran, stored } from "../lesson.js";

export const hyperloglog: Lesson = {
  id: "hyperloglog",
  title: "Counting the different",
  summary: "How many different visitors, in 12 KB, however many they are.",
  steps: [
    {
      title: "About how many",
      text: `
        A set of all visitors grows with them. A HyperLogLog counts how many **different** members were added, but
        does not know which: it takes 12 KB at most, and is wrong by about 0.81 %.
      `,
      commands: ["PFADD hyperloglog:monday ada grace alan", "PFADD hyperloglog:monday ada", "PFCOUNT hyperloglog:monday"],
      check: all(ran("PFADD", "hyperloglog:monday"), ran("PFCOUNT", "hyperloglog:monday")),
    },
    {
      title: "Days make a week",
      text: "Counted together, somebody who came on both days is one visitor. `PFMERGE` keeps the sum.",
      commands: [
        "PFADD hyperloglog:tuesday grace linus",
        "PFCOUNT hyperloglog:monday hyperloglog:tuesday",
        "PFMERGE hyperloglog:week hyperloglog:monday hyperloglog:tuesday",
      ],
      check: all(ran("PFCOUNT", "hyperloglog:monday", "hyperloglog:tuesday"), stored(async (redis) => (await redis.pfCount("hyperloglog:week")) === 4)),
    },
    {
      title: "What it takes",
      text: "It is a string inside. `STRLEN` tells how long, and `OBJECT ENCODING` what Redis makes of it.",
      commands: ["STRLEN hyperloglog:week", "TYPE hyperloglog:week"],
      check: all(ran("STRLEN", "hyperloglog:week"), ran("TYPE", "hyperloglog:week")),
    },
  ],
};
