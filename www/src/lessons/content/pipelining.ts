import { tripsDemo } from "../demos/trips.js";
import { answered, any, goal, itemsOf, type Lesson, ran, stored } from "../lesson.js";

export const pipelining: Lesson = {
  id: "pipelining",
  title: "Pipelines",
  summary: "A thousand commands for the price of a few trips, measured before your eyes.",
  steps: [
    {
      title: "There and back",
      text: `
        A command itself takes about a microsecond. The way to the server and back takes much longer: a thousand
        times as long over a network. If you wait for each answer before you send the next command, you pay for the
        way every time.

        In a **pipeline**, commands are sent together, and the answers come back together. The button measures
        both, in turns: it runs 1,000 commands as another client, which has to ask the tab that leads. That is a
        short way, and still you see it.
      `,
      demo: tripsDemo("pipelining"),
      commands: ["MGET pipelining:single pipelining:together"],
      goals: [
        goal("Measure both", stored(async (redis) => (await redis.mGet("pipelining:single", "pipelining:together")).every((count) => Number(count) >= 1000))),
        goal("See that both have counted to the same number", ran("MGET|GET")),
      ],
    },
    {
      title: "It is not a transaction",
      text: `
        Other clients may get in between the commands of a pipeline, and if one fails, the next ones still run. If
        nobody may get in between, put \`MULTI\` and \`EXEC\` into it.

        And where one command does it all, that is better still: \`MSET\`, or \`SADD\` and \`RPUSH\` with many
        members. Do three writes with one command.
      `,
      commands: ["MSET pipelining:a 1 pipelining:b 2 pipelining:c 3", "MGET pipelining:a pipelining:b pipelining:c"],
      goals: [
        goal("Write three keys, or three members, with one command", ({ ran: all }) => all.some(({ words, replies }) => /^(MSET|SADD|RPUSH|LPUSH|HSET|ZADD|PFADD)$/i.test(words[0] ?? "") && words.length >= 5 && replies.every((reply) => reply.type !== "error"))),
        goal("Read them with one", any(answered((reply) => itemsOf(reply).length >= 3, "MGET|SMEMBERS|LRANGE|HGETALL|HMGET|ZRANGE"), ran("PFCOUNT"))),
      ],
    },
  ],
};
