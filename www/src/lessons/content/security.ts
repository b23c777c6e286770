import type { Redis } from "lodis";
import { answered, exists, goal, inSecond, isFull, type Lesson, ran, refused, stored, textOf } from "../lesson.js";

const READER = "ACL SETUSER security-reader on >s3cret ~security:* +@read +auth +acl|whoami";

export const security: Lesson = {
  id: "security",
  title: "Users and what they may do",
  summary: "Names, passwords, and rules for commands and keys.",
  reset: (redis) => redis.call("ACL", "DELUSER", "security-reader"),
  steps: [
    {
      title: "Who am I?",
      text: `
        Everybody begins as the user \`default\`, who may do everything here. On a server that others can reach, give
        it a password, or switch it off. \`ACL LIST\` shows all users and their rules.
      `,
      commands: ["ACL WHOAMI", "ACL LIST"],
      goals: [
        goal("Ask who you are", answered((reply) => textOf(reply) !== "", "ACL", "WHOAMI")),
        goal("List the users", answered(isFull, "ACL", "LIST|USERS")),
      ],
    },
    {
      title: "Somebody who only reads",
      text: `
        \`ACL SETUSER\` makes a user from rules: \`on\` lets them log in, \`>\` comes before a password, \`~\` before a
        pattern for the keys they may use, \`+\` before a command that they may run. \`+@read\` means all commands
        that read. What is not allowed is forbidden.
      `,
      commands: [READER, "ACL GETUSER security-reader"],
      goals: [
        goal("Make the user `security-reader`", stored(hasReader)),
        goal("Look at the rules", answered(isFull, "ACL", "GETUSER|LIST")),
      ],
    },
    {
      title: "Try it",
      text: `
        Log in as that user in the second terminal. Reading works, writing is refused, and so are keys outside of
        \`security:\`: each with \`NOPERM\`.
      `,
      commands: [
        "SET security:note hello",
        { second: "AUTH security-reader s3cret" },
        { second: "GET security:note" },
        { second: "SET security:note bye" },
        { second: "GET other:note" },
      ],
      given: async (redis) => ((await hasReader(redis)) ? [] : [READER]),
      goals: [
        goal("Log in as `security-reader` in the second terminal", inSecond(answered((reply) => textOf(reply) === "OK", "AUTH", "security-reader"))),
        goal("Read something there", inSecond(ran("GET|MGET|EXISTS|TYPE|STRLEN")), exists("security:note")),
        goal("Be refused there", inSecond(refused("NOPERM"))),
      ],
    },
    {
      title: "What would happen?",
      text: "`ACL DRYRUN` tells what a user may do, without doing it. Try something that is allowed, and something that is not.",
      commands: ["ACL DRYRUN security-reader GET security:note", "ACL DRYRUN security-reader SET security:note 1", "ACL DRYRUN security-reader GET other:note"],
      given: async (redis) => ((await hasReader(redis)) ? [] : [READER]),
      goals: [
        goal("Find something that is allowed", answered((reply) => textOf(reply) === "OK", "ACL", "DRYRUN")),
        goal("Find something that is not", answered((reply) => reply.type === "string", "ACL", "DRYRUN")),
      ],
    },
    {
      title: "Gone again",
      text: "`ACL DELUSER` removes a user and ends their connections: whoever was logged in has to log in anew.",
      commands: ["ACL DELUSER security-reader", "ACL USERS"],
      given: async (redis) => ((await hasReader(redis)) ? [] : [READER]),
      goals: [
        goal("Remove the user `security-reader`", ran("ACL", "DELUSER"), stored(async (redis) => !(await hasReader(redis)))),
        goal("List who is left", answered(isFull, "ACL", "USERS|LIST")),
      ],
    },
  ],
};

async function hasReader(redis: Redis): Promise<boolean> {
  return JSON.stringify(await redis.call("ACL", "USERS")).includes('"security-reader"');
}
