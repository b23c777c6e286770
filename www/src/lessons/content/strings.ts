import { answered, answeredWith, any, exists, goal, isNil, type Lesson, numberOf, ran, stored } from "../lesson.js";

export const strings: Lesson = {
  id: "strings",
  title: "Strings, counters and time",
  summary: "Text and numbers, counting without mistakes, and keys that end by themselves.",
  steps: [
    {
      title: "Several at once",
      text: `
        A string holds text, a number, or any bytes: up to 512 MB of them.

        \`MSET\` stores several keys at once, and \`MGET\` reads several. One command instead of three means one
        trip to the server instead of three.
      `,
      commands: ["MSET strings:name Ada strings:city London", "MGET strings:name strings:city strings:nothing"],
      goals: [
        goal("Store `strings:name` and `strings:city`", exists("strings:name"), exists("strings:city")),
        goal("Read several keys with one `MGET`", answered((reply) => "items" in reply && reply.items.length > 1, "MGET")),
      ],
    },
    {
      title: "Counting",
      text: `
        \`INCR\` reads a number, adds one, and stores it again, all as one step. When two clients do it at the same
        moment, both are counted: Redis runs one command at a time, so nobody gets in between.

        A key that does not exist counts as 0. \`INCRBY\` adds more than one.
      `,
      commands: ["INCR strings:views", "INCR strings:views", "INCRBY strings:views 10"],
      goals: [
        goal("Count with `INCR`", ran("INCR|INCRBY", "strings:views")),
        goal("Get `strings:views` to 12 or more", stored(async (redis) => Number(await redis.get("strings:views")) >= 12)),
      ],
    },
    {
      title: "Only if…",
      text: `
        Words at the end change what \`SET\` does. With \`NX\` it stores only if the key does **not** exist yet;
        with \`XX\`, only if it does. If it did nothing, it answers \`(nil)\`. The word \`GET\` has it answer the
        value from before.
      `,
      commands: ["SET strings:name Grace NX", "SET strings:name Grace XX GET", "GET strings:name"],
      given: { "strings:name": "SET strings:name Ada" },
      goals: [
        goal("See `NX` refuse: `strings:name` exists", any(answeredWith("NX", isNil, "SET", "strings:name"), answered((reply) => numberOf(reply) === 0, "SETNX", "strings:name"))),
        goal("Change the name to `Grace`", ran("SET|GETSET|MSET|SETEX"), stored(async (redis) => (await redis.get("strings:name")) === "Grace")),
      ],
    },
    {
      title: "Keys that end",
      text: `
        A key can have a **time to live**. When it is over, the key is gone; nobody has to delete it. That is how
        codes, sessions and caches end. \`EX\` gives the time in seconds, \`PX\` in milliseconds.

        \`TTL\` tells how many seconds are left: -1 means that the key stays, -2 that there is no such key.
        Store a code that is good for two seconds, and keep asking until it is gone.
      `,
      commands: ["SET strings:code 4711 EX 2", "TTL strings:code", "GET strings:code"],
      goals: [
        goal("Store `strings:code` with a time to live", ran("SET|SETEX|PSETEX|GETEX|EXPIRE|PEXPIRE", "strings:code")),
        goal("Ask how long it lasts", ran("TTL|PTTL|EXPIRETIME|PEXPIRETIME", "strings:code")),
        goal("Wait until it is gone", ran("SET|SETEX|PSETEX|GETEX|EXPIRE|PEXPIRE", "strings:code"), exists("strings:code", false)),
      ],
    },
    {
      title: "Giving and taking time",
      text: `
        \`EXPIRE\` gives a time to live to a key that exists already, and \`PERSIST\` takes it away again. Writing a
        new value with \`SET\` takes it away as well, unless you add \`KEEPTTL\`.
      `,
      commands: ["EXPIRE strings:city 100", "TTL strings:city", "PERSIST strings:city", "TTL strings:city"],
      given: { "strings:city": "SET strings:city London" },
      goals: [
        goal("Give `strings:city` a time to live", answered((reply) => numberOf(reply) === 1, "EXPIRE|PEXPIRE|EXPIREAT|PEXPIREAT", "strings:city")),
        goal("Take it away again", ran("PERSIST|SET|GETEX", "strings:city"), stored(async (redis) => (await redis.ttl("strings:city")) === -1)),
      ],
    },
  ],
};
