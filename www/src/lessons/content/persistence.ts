import { NAME } from "../../store.js";
import { forgetCrash, lastCrash } from "../demos/crash.js";
import { crashDemo } from "../demos/crash-demo.js";
import { logDemo, logFigures, rewriteDemo } from "../demos/log.js";
import { answered, exists, goal, isFull, itemsOf, type Lesson, numberOf, ran, stored, textOf } from "../lesson.js";

export const persistence: Lesson = {
  id: "persistence",
  title: "What stays",
  summary: "The append-only file: every write, one after another, and how it is kept short.",
  reset: forgetCrash,
  steps: [
    {
      title: "A log of writes",
      text: `
        What is in memory is gone when the program ends. So Redis writes every change to the end of a file, the
        **append-only file**. When it starts again, it runs them all, and everything is as it was. Here the file is
        in this browser’s database.

        Reads change nothing, so they are not in it. Write and read, and watch the end of the log. You see what was
        **done**: a time to live becomes a moment, and \`SELECT\` tells which database it was. The playground notes
        your progress in there, too.
      `,
      demo: logDemo(NAME),
      needsStorage: true,
      commands: ["SET persistence:note hello EX 3600", "INCR persistence:count", "GET persistence:note"],
      goals: [
        goal("Write something to `persistence:note`", ran("SET|SETEX|APPEND|GETSET|MSET", "persistence:note"), exists("persistence:note")),
        goal("Read it: the log does not grow by that", ran("GET|STRLEN|GETRANGE", "persistence:note")),
      ],
    },
    {
      title: "When is it safe?",
      text: `
        Appending is quick, but until the disk has really written it, a power cut may take it away.
        \`appendfsync\` says how careful Redis is: \`always\` waits for the disk before it answers, \`everysec\` has it
        written within a second, and \`no\` leaves it to the system.

        \`WAITAOF 1 0 0\` waits until everything so far is on the disk, whatever the setting.
      `,
      needsStorage: true,
      commands: ["CONFIG GET appendfsync", "SET persistence:safe yes", "WAITAOF 1 0 1000"],
      goals: [
        goal("Ask for the setting", answered((reply) => itemsOf(reply).some((item) => textOf(item) === "appendfsync"), "CONFIG", "GET")),
        goal("Write something, and wait until it is on the disk", answered((reply) => numberOf(itemsOf(reply)[0] ?? reply) === 1, "WAITAOF"), exists("persistence:safe")),
      ],
    },
    {
      title: "Writing it anew",
      text: `
        Count to a thousand, and the log has a thousand entries for one number. \`BGREWRITEAOF\` writes down what
        there is **now**, instead of how it came about, and drops the rest. Redis also does that by itself when the
        log has doubled.
      `,
      demo: rewriteDemo("persistence:count"),
      needsStorage: true,
      commands: ["BGREWRITEAOF", "GET persistence:count"],
      goals: [
        goal("Get `persistence:count` to a thousand or more", stored(async (redis) => Number(await redis.get("persistence:count")) >= 1000)),
        goal("Write the log anew", ran("BGREWRITEAOF"), async ({ redis }) => (await logFigures({ redis })).rewrites > 0),
        goal("See that the number is still there", answered(isFull, "GET", "persistence:count")),
      ],
    },
    {
      title: "A crash, and back",
      text: `
        These buttons write the time to \`persistence:last\`, and then end this page as a crash would: at once, with
        nothing saved on the way out. Then it loads again, as Redis starts again after a crash.

        The first does not wait: with \`everysec\`, the last write may be lost. (If another tab has a copy, it is
        not.) The second waits for the disk with \`WAITAOF\`: then it is always there.
      `,
      demo: crashDemo("persistence:last"),
      needsStorage: true,
      commands: ["GET persistence:last"],
      goals: [
        goal("Write, wait for the disk, crash, and find it again", async ({ redis }) => {
          const known = lastCrash();
          return known?.lesson === "persistence" && known.safe === "yes" && (await redis.get("persistence:last")) === known.value;
        }),
        goal("Read it", answered(isFull, "GET", "persistence:last")),
      ],
    },
  ],
};
