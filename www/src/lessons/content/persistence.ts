import type { Redis } from "lodis";
import { figureDemo } from "../demos/figure.js";
import { all, type Lesson, ran, stored } from "../lesson.js";

async function fieldOf(redis: Redis, name: string): Promise<number> {
  const info = await redis.info("persistence");
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
}

const logSize = figureDemo("The log is", async ({ redis }) => `${await fieldOf(redis, "aof_current_size")} bytes long`);

/** What differs between two loads of the page. */
const LOADED = String(Math.round(performance.timeOrigin));

export const persistence: Lesson = {
  id: "persistence",
  title: "What stays",
  summary: "The append-only file: every write, one behind the other, and how it is kept short.",
  steps: [
    {
      title: "A log of writes",
      text: `
        Memory is gone when a process ends. So Redis appends every write to a file, and runs them all again when it
        begins: the **append-only file**. Here it is in the browser's database, and it is \`on\`. Reads are not in
        it. Watch it grow.
      `,
      demo: logSize,
      commands: ["CONFIG SET appendonly yes", "SET persistence:note hello", "GET persistence:note"],
      check: all(stored(async (redis) => (await redis.exists("persistence:note")) === 1), ran("GET", "persistence:note")),
    },
    {
      title: "When is it safe?",
      text: `
        \`appendfsync\` says when what was appended is really on the disk: \`always\` before a write is answered,
        \`everysec\` within a second, \`no\` whenever the system likes. \`WAITAOF 1 0 0\` waits until all that this
        client has written is there.
      `,
      commands: ["CONFIG GET appendfsync", "SET persistence:safe yes", "WAITAOF 1 0 1000"],
      check: all(ran("CONFIG", "GET"), ran("WAITAOF")),
    },
    {
      title: "Rewriting",
      text: `
        A counter that is raised a thousand times is a thousand lines, and one number. \`BGREWRITEAOF\` writes what
        there is now, in place of how it came about; it happens by itself when the log has doubled.
      `,
      demo: logSize,
      commands: [...Array.from({ length: 3 }, () => "INCRBY persistence:count 1000"), "BGREWRITEAOF"],
      check: all(ran("BGREWRITEAOF"), stored(async (redis) => (await fieldOf(redis, "aof_rewrites")) > 0)),
    },
    {
      title: "Gone and back",
      text: `
        Write which page this is, and load it anew with the browser's button, or close the tab and open it again:
        that ends the process. What was there is there.
      `,
      commands: [`SET persistence:page ${LOADED}`],
      check: stored(async (redis) => {
        const page = await redis.get("persistence:page");
        return page !== null && page !== LOADED;
      }),
    },
  ],
};
