import { raceDemo } from "../demos/race.js";
import { all, type Lesson, ran, stored } from "../lesson.js";

export const pipelining: Lesson = {
  id: "pipelining",
  title: "Pipelines",
  summary: "A thousand commands for the price of one trip, measured before your eyes.",
  steps: [
    {
      title: "The way there and back",
      text: `
        A command takes a microsecond; the way to it and back takes a thousand times as long over a network. Who
        waits for each answer before the next command pays for the way each time. In a **pipeline** they are sent
        together, and the answers come together.

        The buttons run 1,000 commands as the second client, who asks the tab that leads. Run both.
      `,
      demo: raceDemo("pipelining"),
      commands: [{ second: "MGET pipelining:single pipelining:together" }],
      check: stored(async (redis) => (await redis.exists("pipelining:single", "pipelining:together")) === 2),
    },
    {
      title: "It is no transaction",
      text: `
        Others may come in between the commands of a pipeline, and one that fails does not keep the next from
        running. A transaction inside of a pipeline is both. Where one command does for all, that is better still:
        \`MSET\`, \`SADD\` with many members, \`LPUSH\` with many elements.
      `,
      commands: ["MSET pipelining:a 1 pipelining:b 2 pipelining:c 3", "MGET pipelining:a pipelining:b pipelining:c"],
      check: all(ran("MSET"), ran("MGET")),
    },
  ],
};
