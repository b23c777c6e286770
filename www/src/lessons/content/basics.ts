import { answered, any, exists, goal, isNil, type Lesson, numberOf, ran, refused, stored } from "../lesson.js";

export const basics: Lesson = {
  id: "basics",
  title: "What Redis is",
  summary: "Keys, values and their types, and how to talk to them.",
  steps: [
    {
      title: "Is anybody there?",
      text: `
        Redis is a database that keeps everything in memory, which makes it very fast. You talk to it in
        **commands**. A command is one line of words: first its name, then its arguments.

        Usually Redis is a server somewhere else, and every command travels over a network. Here it runs inside
        this page, so you can break nothing.

        The terminal is on the right, or below on a small screen. Type \`PING\` there and press Enter, or use the
        button: it types for you. The pencil only puts the command into the line, so that you can change it first.
      `,
      commands: ["PING"],
      goals: [goal("Send `PING` and get an answer", ran("PING"))],
    },
    {
      title: "A key and its value",
      text: `
        Every value is stored under a **key**: a name that you choose. \`SET\` stores a value, \`GET\` reads it.
        A value with spaces in it needs quotes.

        Colons in a key mean nothing to Redis. People use them to keep names tidy: \`basics:greeting\` says that
        this key belongs to this lesson.
      `,
      commands: ['SET basics:greeting "Hello, world"', "GET basics:greeting"],
      goals: [
        goal("Store a text in `basics:greeting`", ran("SET|SETEX|PSETEX|SETNX|GETSET|MSET|APPEND", "basics:greeting"), exists("basics:greeting")),
        goal("Read it back", answered((reply) => reply.type === "string", "GET", "basics:greeting")),
      ],
    },
    {
      title: "Reading what is not there",
      text: `
        You need not create a key before you use it, and reading one that does not exist is not an error:
        \`GET\` answers \`(nil)\`, which means “nothing”.

        \`EXISTS\` answers how many of the keys you name exist.
      `,
      commands: ["GET basics:nothing", "EXISTS basics:greeting basics:nothing"],
      given: { "basics:greeting": 'SET basics:greeting "Hello, world"' },
      goals: [
        goal("Get `(nil)` for a key that does not exist", answered(isNil, "GET")),
        goal("Ask with `EXISTS`", ran("EXISTS")),
      ],
    },
    {
      title: "Values have types",
      text: `
        A value can be more than text: a list, a hash, a set, a sorted set or a stream. Each type has its own
        commands. \`RPUSH\` adds to a list, for example, and \`TYPE\` tells which type a key has.

        A command for another type is refused with \`WRONGTYPE\`, and changes nothing.
      `,
      commands: ["RPUSH basics:todo read try build", "TYPE basics:greeting", "TYPE basics:todo", "GET basics:todo"],
      given: { "basics:greeting": 'SET basics:greeting "Hello, world"' },
      goals: [
        goal("Make a list called `basics:todo`", stored(async (redis) => (await redis.type("basics:todo")) === "list")),
        goal("Ask for its type", answered((reply) => reply.type === "status" && reply.text === "list", "TYPE")),
        goal("Be refused: use `GET` on a list", refused("WRONGTYPE", "GET")),
      ],
    },
    {
      title: "Cleaning up",
      text: `
        \`DEL\` deletes keys and answers how many of them existed.

        A list that loses its last element disappears by itself, and so do hashes, sets and sorted sets: there are
        no empty ones.
      `,
      commands: ["DEL basics:greeting", "LPOP basics:todo 3", "EXISTS basics:greeting basics:todo"],
      given: { "basics:greeting": 'SET basics:greeting "Hello, world"', "basics:todo": "RPUSH basics:todo read try build" },
      goals: [
        goal("Get rid of `basics:greeting` and `basics:todo`", any(ran("DEL|UNLINK"), ran("LPOP|RPOP|GETDEL")), exists("basics:greeting", false), exists("basics:todo", false)),
        goal("See with `EXISTS` that they are gone", answered((reply) => numberOf(reply) === 0, "EXISTS")),
      ],
    },
  ],
};
