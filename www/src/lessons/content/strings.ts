import { all, answered, type Lesson, ran, stored } from "../lesson.js";

export const strings: Lesson = {
  id: "strings",
  title: "Strings, counters and time",
  summary: "Text and numbers, counting without races, and keys that end by themselves.",
  steps: [
    {
      title: "Several at once",
      text: `
        A string holds text, numbers or bytes, up to 512 MB. \`MSET\` stores several keys in one step, \`MGET\`
        reads several: one command in place of three is one trip to the server in place of three.
      `,
      commands: ["MSET strings:name Ada strings:city London", "MGET strings:name strings:city strings:nothing"],
      check: all(stored(async (redis) => (await redis.exists("strings:name", "strings:city")) === 2), ran("MGET")),
    },
    {
      title: "Counting",
      text: `
        \`INCR\` reads a number, adds one and stores it, in one step. Two clients that do it at the same moment
        count two: Redis runs one command at a time, so none is ever in the middle of another. A key that is
        not there counts as 0.
      `,
      commands: ["INCR strings:views", "INCR strings:views", "INCRBY strings:views 10"],
      check: stored(async (redis) => Number(await redis.get("strings:views")) >= 12),
    },
    {
      title: "Only if it is not there",
      text: `
        Options change what \`SET\` does. With \`NX\` it stores only if there is no such key, with \`XX\` only if
        there is one. Otherwise it answers \`(nil)\`. \`GET\` as an option answers the value from before.
      `,
      commands: ["SET strings:name Grace NX", "SET strings:name Grace XX GET", "GET strings:name"],
      check: all(
        answered((reply) => reply.type === "nil", "SET", "strings:name"),
        stored(async (redis) => (await redis.get("strings:name")) === "Grace"),
      ),
    },
    {
      title: "Keys that end",
      text: `
        A key may have a **time to live**: after that it is gone, without anybody deleting it. \`EX\` gives it in
        seconds, \`PX\` in milliseconds. \`TTL\` answers how many seconds are left; -1 is a key that stays, -2 one
        that is not there.

        Store a code that holds for two seconds, and look at it until it is gone.
      `,
      commands: ["SET strings:code 4711 EX 2", "TTL strings:code", "TTL strings:code"],
      check: all(ran("SET", "strings:code"), ran("TTL", "strings:code"), stored(async (redis) => (await redis.exists("strings:code")) === 0)),
    },
    {
      title: "Giving and taking time",
      text: `
        \`EXPIRE\` gives a key a time to live that it had not, or another one; \`PERSIST\` takes it away. A new
        \`SET\` takes it away too, unless it says \`KEEPTTL\`.
      `,
      commands: ["EXPIRE strings:city 100", "TTL strings:city", "PERSIST strings:city"],
      check: all(ran("EXPIRE", "strings:city"), ran("PERSIST", "strings:city"), stored(async (redis) => (await redis.ttl("strings:city")) === -1)),
    },
  ],
};
