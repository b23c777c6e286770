import { any, answered, exists, goal, isFull, type Lesson, ran, stored } from "../lesson.js";

const SESSION = { "sessions:8f3a": "HSET sessions:8f3a user ada theme dark" };

export const sessions: Lesson = {
  id: "sessions",
  title: "Sessions",
  summary: "Who is logged in, for as long as they come back, and how to log them out everywhere.",
  steps: [
    {
      title: "A session is a hash that ends",
      text: `
        When somebody logs in, a website gives them a long random number in a cookie, and remembers under that
        number who they are. Here the number is short.

        The time to live ends the session of somebody who does not come back: 1800 seconds are half an hour.
      `,
      commands: ["HSET sessions:8f3a user ada theme dark", "EXPIRE sessions:8f3a 1800"],
      goals: [
        goal("Store a hash in `sessions:8f3a` with the field `user`", ran("HSET|HMSET|HSETNX|HSETEX", "sessions:8f3a"), stored(async (redis) => (await redis.hExists("sessions:8f3a", "user")) === 1)),
        goal("Give it a time to live", ran("EXPIRE|PEXPIRE|EXPIREAT|PEXPIREAT", "sessions:8f3a"), stored(async (redis) => (await redis.ttl("sessions:8f3a")) > 0)),
      ],
    },
    {
      title: "Every visit prolongs it",
      text: `
        With each request, the website reads the session and gives it its full time again. Sent together in a
        pipeline, that is one trip.
      `,
      commands: ["HGETALL sessions:8f3a", "EXPIRE sessions:8f3a 1800", "TTL sessions:8f3a"],
      given: SESSION,
      goals: [
        goal("Read the session", answered(isFull, "HGETALL|HGET|HMGET", "sessions:8f3a")),
        goal("Give it its time again", ran("EXPIRE|PEXPIRE|EXPIREAT", "sessions:8f3a"), stored(async (redis) => (await redis.ttl("sessions:8f3a")) > 0)),
      ],
    },
    {
      title: "All sessions of one user",
      text: `
        Ada also logs in with her phone. A set for each user knows their sessions, so that you can show them, or
        end them all.
      `,
      commands: ["HSET sessions:c201 user ada", "EXPIRE sessions:c201 1800", "SADD sessions:of:ada 8f3a c201", "SMEMBERS sessions:of:ada"],
      given: SESSION,
      goals: [
        goal("Make a second session, `sessions:c201`", exists("sessions:c201")),
        goal("Remember both in the set `sessions:of:ada`", stored(async (redis) => (await redis.smIsMember("sessions:of:ada", ["8f3a", "c201"])).every((is) => is === 1))),
        goal("List them", ran("SMEMBERS|SSCAN", "sessions:of:ada")),
      ],
    },
    {
      title: "Log out everywhere",
      text: "One command deletes all of the sessions, and the set with them. With the next click, both the laptop and the phone are logged out.",
      commands: ["DEL sessions:8f3a sessions:c201 sessions:of:ada", "EXISTS sessions:8f3a sessions:c201"],
      given: { ...SESSION, "sessions:c201": "HSET sessions:c201 user ada", "sessions:of:ada": "SADD sessions:of:ada 8f3a c201" },
      goals: [
        goal("Delete both sessions and the set", any(ran("DEL|UNLINK"), ran("EXPIRE|PEXPIRE")), exists("sessions:8f3a", false), exists("sessions:c201", false), exists("sessions:of:ada", false)),
      ],
    },
  ],
};
