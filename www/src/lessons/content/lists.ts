import { answered, exists, goal, inSecond, isFull, type Lesson, ran, stored } from "../lesson.js";

export const lists: Lesson = {
  id: "lists",
  title: "Lists as queues",
  summary: "Jobs that wait in line, workers that wait for jobs, and how none is lost.",
  steps: [
    {
      title: "Two ends",
      text: `
        A list has a left and a right end. Adding and taking there is fast, however long the list is.

        Push on the left and pop on the right, and you have a queue: what came first is taken first.
      `,
      commands: ["LPUSH lists:jobs mail:1 mail:2 mail:3", "RPOP lists:jobs"],
      goals: [
        goal("Push jobs on the left of `lists:jobs`", ran("LPUSH|LPUSHX", "lists:jobs")),
        goal("Pop one on the right", answered(isFull, "RPOP", "lists:jobs")),
      ],
    },
    {
      title: "Looking without taking",
      text: `
        \`LRANGE\` reads a part of a list, from one index to another, both included. Counting begins at 0; negative
        numbers count from the right, so \`0 -1\` is all of it. \`LLEN\` tells how long the list is.
      `,
      commands: ["LLEN lists:jobs", "LRANGE lists:jobs 0 -1"],
      given: { "lists:jobs": "LPUSH lists:jobs mail:1 mail:2 mail:3" },
      goals: [
        goal("Ask how many jobs there are", ran("LLEN", "lists:jobs")),
        goal("Look at them", answered(isFull, "LRANGE", "lists:jobs")),
      ],
    },
    {
      title: "A worker that waits",
      text: `
        A worker that asks “anything to do?” again and again wastes time. \`BRPOP\` **waits** until there is
        something. It blocks this one client and nobody else; the 0 means: for as long as it takes.

        The second terminal is another client. Empty the queue, let the second one wait, then push a job from the
        first: it arrives at once.
      `,
      commands: ["DEL lists:jobs", { second: "BRPOP lists:jobs 0" }, "LPUSH lists:jobs mail:4"],
      goals: [
        goal("Push a job", ran("LPUSH|RPUSH", "lists:jobs")),
        goal("Let the second terminal wait for a job and get it", inSecond(answered(isFull, "BRPOP|BLPOP|BLMOVE|BLMPOP|BRPOPLPUSH"))),
      ],
    },
    {
      title: "No job is lost",
      text: `
        If a worker dies after \`RPOP\`, its job dies with it. \`LMOVE\` takes an element from one list and puts it
        into another in one step, so it is always in one of the two. When the job is done, \`LREM\` removes it from
        the second list.

        Whatever stays there for too long belongs to a worker that has died: put it back.
      `,
      commands: ["LPUSH lists:mails mail:5", "LMOVE lists:mails lists:doing RIGHT LEFT", "LRANGE lists:doing 0 -1", "LREM lists:doing 1 mail:5"],
      goals: [
        goal("Move a job from `lists:mails` to `lists:doing`", answered((reply) => reply.type === "string", "LMOVE|BLMOVE|RPOPLPUSH|BRPOPLPUSH", "lists:mails", "lists:doing")),
        goal("Finish it: `lists:doing` is empty again", ran("LREM|LPOP|RPOP|LTRIM|LMOVE|RPOPLPUSH", "lists:doing"), exists("lists:doing", false)),
      ],
    },
    {
      title: "The latest three",
      text: `
        A list also remembers the latest of something: push, then cut off the rest with \`LTRIM\`, which keeps only
        the part that you name.
      `,
      commands: ["LPUSH lists:recent a b c d e", "LTRIM lists:recent 0 2", "LRANGE lists:recent 0 -1"],
      goals: [
        goal("Push five or more to `lists:recent` and keep three", ran("LTRIM", "lists:recent"), stored(async (redis) => (await redis.lLen("lists:recent")) === 3)),
        goal("Look at them", ran("LRANGE", "lists:recent")),
      ],
    },
  ],
};
