import { crash, forgetCrash, lastCrash } from "../demos/crash.js";
import { type Act, databaseDemo, type Run, SlowDatabase } from "../demos/database.js";
import { answered, type Check, exists, type Given, goal, type Lesson, ran, stored } from "../lesson.js";

const database = new SlowDatabase();
const tea: Given = async (redis) => ((await redis.exists("caching:tea")) ? [] : [`SET caching:tea ${database.price("tea")} EX 60`]);

async function load(run: Run): Promise<string> {
  const cached = await run("GET caching:tea");
  if (cached !== null) return `A hit: the cache says ${cached} €.`;
  const price = await database.read("tea");
  await run(`SET caching:tea ${price} EX 60`);
  return `A miss: the database says ${price} €.`;
}

/** Brings what waits in the store to the database, one by one. */
async function drain(run: Run): Promise<string> {
  let brought = 0;
  // What was taken by a page that died is still here.
  while ((await run("LMOVE caching:writing caching:queue RIGHT LEFT")) !== null);
  for (let product; (product = await run("LMOVE caching:queue caching:writing LEFT RIGHT")) !== null; brought++) {
    if (product !== "tea" && product !== "cake") continue;
    // Many writes of one price are one; what is written from here on is in the queue again.
    await run(`LREM caching:queue 0 ${product}`);
    const price = await run(`GET caching:${product}`);
    if (price !== null) await database.write(product, Number(price));
    await run(`EXPIRE caching:${product} 600`);
    await run(`LREM caching:writing 0 ${product}`);
  }
  return brought === 0 ? "Nothing was waiting." : "The database has it.";
}

/** One euro more than anybody knows of. */
async function dearer(run: Run): Promise<number> {
  return Math.max(database.price("cake"), Number(await run("GET caching:cake"))) + 1;
}

const loadTea: Act = { name: "Load the price of tea", does: load };
const behind: Act = {
  name: "Make cake dearer, write behind",
  does: async (run) => {
    const price = await dearer(run);
    await run("MULTI");
    await run(`SET caching:cake ${price}`);
    await run("RPUSH caching:queue cake");
    await run("EXEC");
    return `The cache has ${price} €, the database has not.`;
  },
};
const bring: Act = { name: "Bring what waits to the database", does: drain };
const die: Act = {
  name: "End this tab",
  does: async (run) => {
    // What the store was told is on the disk: it is the page that is lost.
    await run("WAITAOF 1 0 20000");
    crash({ lesson: "caching", inPage: String(database.waiting.length), inStore: (await run("LLEN caching:queue")) ?? "0" });
    return "";
  },
};

const cakeIs = (same: boolean): Check =>
  stored(async (redis) => {
    const cached = await redis.get("caching:cake");
    return cached !== null && (cached === String(database.price("cake"))) === same;
  });
const diedWith = (where: "inPage" | "inStore"): Check => () => lastCrash()?.lesson === "caching" && Number(lastCrash()?.[where]) > 0;

export const caching: Lesson = {
  id: "caching",
  title: "Caches",
  summary: "In front of something slow: cache-aside, write-through, write-behind, and what each may lose.",
  reset: () => {
    database.reset();
    forgetCrash();
  },
  steps: [
    {
      title: "Cache-aside",
      text: `
        The shop’s database is slow. So ask the cache first. Only if it has nothing, ask the database, and put the
        answer into the cache for a while.

        The buttons below work like that and show their commands in the terminal. Load the price twice, and compare
        how long it takes.
      `,
      demo: databaseDemo(database, [loadTea]),
      commands: [],
      goals: [
        goal("Have the price in the cache, with a time to live", stored(async (redis) => (await redis.ttl("caching:tea")) > 0)),
        goal("Get it from there", answered((reply) => reply.type === "string", "GET", "caching:tea")),
      ],
    },
    {
      title: "When the price changes",
      text: `
        The cache knows nothing of a new price in the database: for up to 60 seconds it answers the old one.

        So whoever changes the price also deletes the key. The next reader loads it anew. Make tea dearer, load the
        old price once, then delete the key and load it again.
      `,
      demo: databaseDemo(database, [
        {
          name: "Make tea dearer",
          does: async () => {
            await database.write("tea", database.price("tea") + 1);
            return "The database has a new price.";
          },
        },
        loadTea,
      ]),
      commands: ["DEL caching:tea"],
      given: tea,
      goals: [
        goal("See the cache answer an old price", answered((reply) => reply.type === "string" && new TextDecoder().decode(reply.bytes) !== String(database.price("tea")), "GET", "caching:tea")),
        goal("Delete the key", ran("DEL|UNLINK|GETDEL", "caching:tea")),
        goal("Get the new price into the cache", ran("DEL|UNLINK|GETDEL|SET", "caching:tea"), stored(async (redis) => (await redis.get("caching:tea")) === String(database.price("tea")))),
      ],
    },
    {
      title: "Write-through",
      text: `
        Or let every write go through to both: first the database, then the cache, and only then say “done”.
        Readers find what is current, but every write takes as long as the database does.
      `,
      demo: databaseDemo(database, [
        {
          name: "Make cake dearer, write through",
          does: async (run) => {
            const price = await dearer(run);
            await database.write("cake", price);
            await run(`SET caching:cake ${price} EX 600`);
            return `Both have ${price} €.`;
          },
        },
      ]),
      commands: ["GET caching:cake"],
      goals: [
        goal("Write a price through to both", ran("SET", "caching:cake"), cakeIs(true)),
        goal("Read it from the cache", answered((reply) => reply.type === "string", "GET", "caching:cake"), cakeIs(true)),
      ],
    },
    {
      title: "Write-behind",
      text: `
        Or write only to the cache and to a queue, in one transaction, and say “done” at once. Later somebody
        brings what waits to the database. Writes are fast, and many writes of one price become one.

        But until then, the database knows an old price. And what still waits must not end, so it has no time to
        live yet.
      `,
      demo: databaseDemo(database, [behind, bring]),
      commands: ["LRANGE caching:queue 0 -1"],
      goals: [
        goal("Have a price in the cache that the database does not know yet", cakeIs(false), stored(async (redis) => (await redis.exists("caching:queue", "caching:writing")) > 0)),
        goal("Bring it to the database", ran("LMOVE", "caching:queue"), cakeIs(true), exists("caching:queue", false)),
      ],
    },
    {
      title: "What a crash takes with it",
      needsStorage: true,
      text: `
        Where does the queue live? If it is only a variable of the program, it dies with the program. The cache
        then has a price that the database will never hear of, and after 600 seconds nobody knows it any more.

        Try it. The second button ends this page as a crash would, and loads it again.
      `,
      demo: databaseDemo(database, [
        {
          name: "Make cake dearer, queue in this page",
          does: async (run) => {
            const price = await dearer(run);
            await run(`SET caching:cake ${price} EX 600`);
            database.waiting.push("cake");
            return `The cache has ${price} €; the page remembers to tell the database.`;
          },
        },
        die,
      ]),
      commands: ["GET caching:cake"],
      goals: [
        goal("Let the page die while a price waits in it", diedWith("inPage")),
        goal("See the loss: cache and database disagree, and nothing waits", diedWith("inPage"), cakeIs(false), exists("caching:queue", false), () => database.waiting.length === 0),
      ],
    },
    {
      title: "A queue that survives",
      needsStorage: true,
      text: `
        With the queue in Redis, and Redis’s log on the disk, it survives. \`LMOVE\` keeps what is under way in a
        second list, so that it is not lost either if the page dies in the middle.

        Write behind, end the tab, and bring what waits to the database when you are back.
      `,
      demo: databaseDemo(database, [behind, die, bring]),
      commands: ["LRANGE caching:queue 0 -1"],
      goals: [
        goal("Let the page die while a price waits in the store", diedWith("inStore")),
        goal("Bring it to the database after that", diedWith("inStore"), ran("LMOVE", "caching:queue"), cakeIs(true), exists("caching:queue", false)),
      ],
    },
  ],
};
