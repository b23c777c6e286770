import { databaseDemo, type Run, SlowDatabase } from "../demos/database.js";
import { all, type Lesson, ran, stored } from "../lesson.js";

const database = new SlowDatabase();

async function load(run: Run): Promise<string> {
  const cached = await run("GET caching:tea");
  if (cached !== null) return `From the cache: tea is ${cached} €.`;
  const price = await database.read("tea");
  await run(`SET caching:tea ${price} EX 60`);
  return `From the database: tea is ${price} €.`;
}

const loadTea = { name: "Load the price of tea", does: load };

export const caching: Lesson = {
  id: "caching",
  title: "Caches",
  summary: "In front of something slow: cache-aside, write-through, write-behind, and what each may lose.",
  steps: [
    {
      title: "Cache-aside",
      text: `
        Ask the cache first; what it has not, ask the database, and put it into the cache with a time to live. The
        buttons below do so and show their commands in the terminal. Load the price twice: the second time is fast.
      `,
      demo: databaseDemo(database, [loadTea]),
      commands: [],
      check: all(stored(async (redis) => (await redis.exists("caching:tea")) === 1), ({ ran: seen }) => seen.filter(({ words }) => words[0] === "GET").length >= 2),
    },
    {
      title: "What is old",
      text: `
        If the price changes in the database, the cache knows nothing of it: for up to 60 seconds it answers the
        old one. Whoever changes the price deletes the key, and the next reader loads it anew.
      `,
      demo: databaseDemo(database, [
        {
          name: "Make tea dearer",
          does: async () => {
            await database.write("tea", (database.prices.get("tea") ?? 0) + 1);
            return "The database has a new price.";
          },
        },
        loadTea,
      ]),
      commands: ["DEL caching:tea"],
      check: all(
        ran("DEL", "caching:tea"),
        stored(async (redis) => database.writes > 0 && (await redis.get("caching:tea")) === String(database.prices.get("tea"))),
      ),
    },
    {
      title: "Write-through",
      text: `
        Or write both, the database first and the cache after it, and answer once both are done: readers never find
        what is old, but every write takes as long as the database does.
      `,
      demo: databaseDemo(database, [
        {
          name: "Set cake to 6 €",
          does: async (run) => {
            await database.write("cake", 6);
            await run("SET caching:cake 6 EX 60");
            return "Both have the price.";
          },
        },
      ]),
      commands: ["GET caching:cake"],
      check: all(stored(async (redis) => database.prices.get("cake") === 6 && (await redis.get("caching:cake")) === "6"), ran("GET", "caching:cake")),
    },
    {
      title: "Write-behind",
      text: `
        Or write to the cache and to a queue, and answer at once; somebody brings what is in the queue to the
        database later. Writes are fast, and several of one key become one. But until then only the cache has
        them: the queue must be as safe as the data. Here it is in the store's log.
      `,
      demo: databaseDemo(database, [
        {
          name: "Set cake to 7 €",
          does: async (run) => {
            await run("MULTI");
            await run("SET caching:cake 7 EX 60");
            await run("RPUSH caching:queue cake");
            await run("EXEC");
            return "The cache has the price.";
          },
        },
        {
          name: "Bring the queue to the database",
          does: async (run) => {
            const product = await run("LMOVE caching:queue caching:writing LEFT RIGHT");
            if (product === null) return "There is nothing in the queue.";
            await database.write(product, Number(await run(`GET caching:${product}`)));
            await run(`LREM caching:writing 1 ${product}`);
            return "The database has the price.";
          },
        },
      ]),
      commands: ["LRANGE caching:queue 0 -1"],
      check: all(ran("LRANGE", "caching:queue"), ran("LMOVE", "caching:queue"), () => database.prices.get("cake") === 7),
    },
  ],
};
