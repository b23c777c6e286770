import { all, answered, type Lesson, ran } from "../lesson.js";

export const security: Lesson = {
  id: "security",
  title: "Users and what they may do",
  summary: "Names, passwords, and rules for commands and keys.",
  steps: [
    {
      title: "Who am I?",
      text: "Everybody begins as the user `default`, who may do everything here. On a server that others reach, it needs a password.",
      commands: ["ACL WHOAMI", "ACL LIST"],
      check: all(ran("ACL", "WHOAMI"), ran("ACL", "LIST")),
    },
    {
      title: "A reader",
      text: `
        \`ACL SETUSER\` makes a user by rules: \`on\`, a password after \`>\`, keys after \`~\`, and commands or groups
        of them after \`+\` and \`-\`. Whatever is not allowed is refused.
      `,
      commands: ["ACL SETUSER security-reader on >s3cret ~security:* +@read +auth +acl|whoami", "ACL GETUSER security-reader"],
      check: all(ran("ACL", "SETUSER"), ran("ACL", "GETUSER")),
    },
    {
      title: "What would happen",
      text: "`ACL DRYRUN` tells what a user may do, without doing it.",
      commands: ["ACL DRYRUN security-reader GET security:x", "ACL DRYRUN security-reader SET security:x 1", "ACL DRYRUN security-reader GET other"],
      check: all(
        answered((reply) => reply.type === "status" && reply.text === "OK", "ACL", "DRYRUN"),
        answered((reply) => reply.type === "string", "ACL", "DRYRUN"),
      ),
    },
    {
      title: "Gone again",
      text: "`ACL DELUSER` takes a user away, and ends its connections.",
      commands: ["ACL DELUSER security-reader", "ACL USERS"],
      check: all(ran("ACL", "DELUSER"), ran("ACL", "USERS")),
    },
  ],
};
