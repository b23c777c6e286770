import { all, type Lesson, ran, stored } from "../lesson.js";

export const sessions: Lesson = {
  id: "sessions",
  title: "Sessions",
  summary: "Who is logged in, for as long as they come back, and how to throw them all out.",
  steps: [
    {
      title: "A session is a hash that ends",
      text: `
        The key has a long random number that nobody guesses; here it is short. The time to live ends the session
        of somebody who does not come back.
      `,
      commands: ["HSET sessions:8f3a user ada theme dark", "EXPIRE sessions:8f3a 1800"],
      check: stored(async (redis) => (await redis.hGet("sessions:8f3a", "user")) !== null && (await redis.ttl("sessions:8f3a")) > 0),
    },
    {
      title: "Every visit counts anew",
      text: `
        Read it with each request, and give it its whole time again. \`HGETEX\` does both in one step since
        Redis 8, but gives time to fields; for the key, it is \`HGETALL\` and \`EXPIRE\`.
      `,
      commands: ["HGETALL sessions:8f3a", "EXPIRE sessions:8f3a 1800", "TTL sessions:8f3a"],
      check: all(ran("HGETALL", "sessions:8f3a"), ran("EXPIRE", "sessions:8f3a")),
    },
    {
      title: "All sessions of one user",
      text: "A set for each user knows the sessions, so that they can be shown, or ended all at once.",
      commands: ["HSET sessions:c201 user ada", "SADD sessions:of:ada 8f3a c201", "SMEMBERS sessions:of:ada"],
      check: all(stored(async (redis) => (await redis.sCard("sessions:of:ada")) >= 2), ran("SMEMBERS", "sessions:of:ada")),
    },
    {
      title: "Log out everywhere",
      text: "One command deletes them all, and the set with them.",
      commands: ["DEL sessions:8f3a sessions:c201 sessions:of:ada", "EXISTS sessions:8f3a"],
      check: all(ran("DEL"), stored(async (redis) => (await redis.exists("sessions:8f3a", "sessions:c201", "sessions:of:ada")) === 0)),
    },
  ],
};
