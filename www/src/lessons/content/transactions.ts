import { all, answered, type Lesson, ran, stored } from "../lesson.js";

export const transactions: Lesson = {
  id: "transactions",
  title: "Transactions",
  summary: "Several commands as one, and how to notice that somebody else was faster.",
  steps: [
    {
      title: "All together",
      text: `
        After \`MULTI\`, commands are queued; \`EXEC\` runs them one after the other, and nobody comes in between.
        \`DISCARD\` gives them up.
      `,
      commands: [
        "MSET transactions:ada 100 transactions:grace 0",
        "MULTI",
        "DECRBY transactions:ada 30",
        "INCRBY transactions:grace 30",
        "EXEC",
      ],
      check: all(
        answered((reply) => reply.type === "array", "EXEC"),
        stored(async (redis) => (await redis.get("transactions:grace")) === "30"),
      ),
    },
    {
      title: "Errors do not undo",
      text: `
        A command that cannot even be queued spoils the whole: \`EXEC\` refuses. One that fails while it runs fails
        alone; the others have happened. Redis undoes nothing.
      `,
      commands: ["MULTI", "SET transactions:note hi", "INCR transactions:note", "EXEC", "GET transactions:note"],
      check: all(
        answered((reply) => reply.type === "array" && reply.items.some((item) => item.type === "error"), "EXEC"),
        stored(async (redis) => (await redis.get("transactions:note")) === "hi"),
      ),
    },
    {
      title: "A race, and who loses it",
      text: `
        To decide by what you have read, \`WATCH\` the key first. If anybody changes it before your \`EXEC\`, that
        answers \`(nil)\` and nothing has happened: read again and try again.

        Here the second client changes it in between.
      `,
      commands: [
        "WATCH transactions:ada",
        "GET transactions:ada",
        { second: "DECRBY transactions:ada 50" },
        "MULTI",
        "DECRBY transactions:ada 60",
        "EXEC",
      ],
      check: all(ran("WATCH", "transactions:ada"), answered((reply) => reply.type === "nil", "EXEC")),
    },
  ],
};
