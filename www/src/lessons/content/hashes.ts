import { answered, exists, goal, isFull, itemsOf, type Lesson, numberOf, ran, stored } from "../lesson.js";

const USER = { "hashes:user:1": "HSET hashes:user:1 name Ada email ada@example.org visits 0" };

export const hashes: Lesson = {
  id: "hashes",
  title: "Hashes as objects",
  summary: "One key for a thing with many properties, each read and written by itself.",
  steps: [
    {
      title: "Fields",
      text: `
        A hash keeps fields and their values under one key: a user, a product, a page. \`HSET\` writes as many
        fields as you like and answers how many of them are new. \`HGET\` reads one field, \`HGETALL\` all of them.
      `,
      commands: ["HSET hashes:user:1 name Ada email ada@example.org visits 0", "HGET hashes:user:1 name", "HGETALL hashes:user:1"],
      goals: [
        goal("Write three fields or more to `hashes:user:1`", stored(async (redis) => (await redis.hLen("hashes:user:1")) >= 3)),
        goal("Read one of them", answered(isFull, "HGET|HMGET", "hashes:user:1")),
        goal("Read them all", answered(isFull, "HGETALL|HSCAN", "hashes:user:1")),
      ],
    },
    {
      title: "Only what you need",
      text: `
        You could store the user as one long text, such as JSON. Then every small change reads and writes
        everything, and of two changes at the same moment one is lost.

        The fields of a hash are independent: read, write and delete just the ones you need.
      `,
      commands: ["HMGET hashes:user:1 name visits phone", "HSET hashes:user:1 city London", "HDEL hashes:user:1 email"],
      given: USER,
      goals: [
        goal("Read some of the fields with one command", ran("HMGET|HGETEX", "hashes:user:1")),
        goal("Add the field `city`", stored(async (redis) => (await redis.hExists("hashes:user:1", "city")) === 1)),
        goal("Remove the field `email`", ran("HDEL|HGETDEL", "hashes:user:1"), stored(async (redis) => (await redis.hExists("hashes:user:1", "email")) === 0)),
      ],
    },
    {
      title: "Counters inside",
      text: "`HINCRBY` counts in a field as `INCR` does in a key: in one step, and from 0 if the field does not exist.",
      commands: ["HINCRBY hashes:user:1 visits 1", "HINCRBY hashes:user:1 visits 1"],
      given: USER,
      goals: [
        goal("Count in the field `visits`", ran("HINCRBY|HINCRBYFLOAT", "hashes:user:1", "visits")),
        goal("Get it to 2 or more", stored(async (redis) => Number(await redis.hGet("hashes:user:1", "visits")) >= 2)),
      ],
    },
    {
      title: "Fields that end",
      text: `
        Since Redis 7.4, a single field can have a time to live. \`HEXPIRE\` gives it, \`HTTL\` tells what is left.
        Behind \`FIELDS\` comes how many fields you name, and then their names. The other fields stay.
      `,
      commands: ["HSET hashes:user:1 token s3cret", "HEXPIRE hashes:user:1 2 FIELDS 1 token", "HTTL hashes:user:1 FIELDS 2 token name"],
      given: USER,
      goals: [
        goal("Give the field `token` a time to live", answered((reply) => itemsOf(reply).some((item) => numberOf(item) === 1) || numberOf(reply) === 1, "HEXPIRE|HPEXPIRE|HSETEX|HEXPIREAT|HPEXPIREAT", "hashes:user:1")),
        goal("Ask how long it lasts", ran("HTTL|HPTTL|HEXPIRETIME|HPEXPIRETIME", "hashes:user:1")),
        goal("Wait until it is gone, and the others are not", ran("HEXPIRE|HPEXPIRE|HSETEX|HEXPIREAT|HPEXPIREAT", "hashes:user:1"), exists("hashes:user:1"), stored(async (redis) => (await redis.hExists("hashes:user:1", "token")) === 0)),
      ],
    },
  ],
};
