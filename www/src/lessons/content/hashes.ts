import { all, type Lesson, ran, stored } from "../lesson.js";

export const hashes: Lesson = {
  id: "hashes",
  title: "Hashes as objects",
  summary: "One key for a thing with many properties, each read and written by itself.",
  steps: [
    {
      title: "Fields",
      text: `
        A hash maps fields to values under one key: a user, a product, a page. \`HSET\` writes as many fields as
        you give it, and answers how many are new.
      `,
      commands: ["HSET hashes:user:1 name Ada email ada@example.org visits 0", "HGET hashes:user:1 name", "HGETALL hashes:user:1"],
      check: all(stored(async (redis) => (await redis.hLen("hashes:user:1")) >= 3), ran("HGETALL", "hashes:user:1")),
    },
    {
      title: "Only what is needed",
      text: `
        Stored as one string of JSON, a change of one property reads and writes them all, and two clients that do
        so at once lose one of the changes. Fields are independent of each other.
      `,
      commands: ["HMGET hashes:user:1 name visits phone", "HSET hashes:user:1 city London", "HDEL hashes:user:1 email"],
      check: all(
        ran("HMGET", "hashes:user:1"),
        stored(async (redis) => (await redis.hExists("hashes:user:1", "city")) === 1 && (await redis.hExists("hashes:user:1", "email")) === 0),
      ),
    },
    {
      title: "Counters inside",
      text: "`HINCRBY` counts in a field as `INCR` does in a key: in one step, and from 0 if it is not there.",
      commands: ["HINCRBY hashes:user:1 visits 1", "HINCRBY hashes:user:1 visits 1"],
      check: stored(async (redis) => Number(await redis.hGet("hashes:user:1", "visits")) >= 2),
    },
    {
      title: "Fields that end",
      text: `
        Since Redis 7.4 a field may have a time to live as keys have. \`HEXPIRE\` gives it, \`HTTL\` tells what is
        left of it. The other fields stay.
      `,
      commands: [
        "HSET hashes:user:1 token s3cret",
        "HEXPIRE hashes:user:1 2 FIELDS 1 token",
        "HTTL hashes:user:1 FIELDS 2 token name",
      ],
      check: all(ran("HEXPIRE", "hashes:user:1"), ran("HTTL", "hashes:user:1"), stored(async (redis) => (await redis.hExists("hashes:user:1", "token")) === 0 && (await redis.exists("hashes:user:1")) === 1)),
    },
  ],
};
