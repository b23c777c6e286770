import { all, answered, type Lesson, ran, stored } from "../lesson.js";

export const basics: Lesson = {
  id: "basics",
  title: "What Redis is",
  summary: "Keys, values and their types, and how to talk to them.",
  steps: [
    {
      title: "Is anybody there?",
      text: `
        Redis keeps data in memory and answers **commands**. A command is a line of words: the first is its name,
        the others are its arguments. Usually the server is somewhere else and every command crosses a network.
        Here it is a part of this page.

        \`PING\` asks whether it is there.
      `,
      commands: ["PING"],
      check: ran("PING"),
    },
    {
      title: "A key and its value",
      text: `
        Everything is stored under a **key**, a name that you choose. Colons in it mean nothing to Redis, but
        people use them to keep names in order: \`basics:greeting\` belongs to this lesson.

        \`SET\` stores a value, \`GET\` answers it. Blanks in a value need quotes.
      `,
      commands: ['SET basics:greeting "Hello, world"', "GET basics:greeting"],
      check: all(stored(async (redis) => (await redis.get("basics:greeting")) !== null), ran("GET", "basics:greeting")),
    },
    {
      title: "What is not there",
      text: `
        A key need not be made before it is used, and one that is not there is no error: \`GET\` answers
        \`(nil)\`, nothing. \`EXISTS\` counts how many of the keys you name are there.
      `,
      commands: ["GET basics:nothing", "EXISTS basics:greeting basics:nothing"],
      check: all(answered((reply) => reply.type === "nil", "GET"), ran("EXISTS")),
    },
    {
      title: "Values have types",
      text: `
        A value is not only text. It may be a list, a hash, a set, a sorted set, a stream, and each of these has
        commands of its own. A key has one type at a time: a command for another type is refused and changes
        nothing.

        Store a list with \`RPUSH\`, ask for the type of both keys, then try \`GET\` on the list.
      `,
      commands: ["RPUSH basics:todo read try build", "TYPE basics:greeting", "TYPE basics:todo", "GET basics:todo"],
      check: all(
        stored(async (redis) => (await redis.type("basics:todo")) === "list"),
        ran("TYPE", "basics:todo"),
        answered((reply) => reply.type === "error" && reply.text.startsWith("WRONGTYPE"), "GET", "basics:todo"),
      ),
    },
    {
      title: "Taking it away",
      text: `
        \`DEL\` deletes keys and answers how many there were. A list, set or hash that becomes empty goes by
        itself: there are no empty collections.
      `,
      commands: ["DEL basics:greeting basics:todo", "EXISTS basics:greeting basics:todo"],
      check: all(ran("DEL"), stored(async (redis) => (await redis.exists("basics:greeting", "basics:todo")) === 0)),
    },
  ],
};
