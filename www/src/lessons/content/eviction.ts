import { open, type Redis } from "lodis";
import { figureDemo } from "../demos/figure.js";
import { pagesDemo, type Policy } from "../demos/pages.js";
import { type Check, goal, inSecond, type Lesson, ran, refused } from "../lesson.js";

async function numbersOf(redis: Redis | undefined): Promise<Map<string, number>> {
  const info = (await redis?.info("memory", "stats")) ?? "";
  return new Map([...info.matchAll(/^(\w+):(\d+)/gm)].map(([, name, value]) => [name!, Number(value)]));
}

const room = figureDemo("In the second terminal’s store there are", async ({ second }) => {
  const numbers = await numbersOf(second);
  const kb = (name: string): string => Math.round((numbers.get(name) ?? 0) / 1024).toLocaleString("en");
  return `${await second?.dbSize()} keys in ${kb("used_memory")} of ${kb("maxmemory")} KB; ${numbers.get("evicted_keys")} were evicted`;
});

const wentBy = (policy: Policy): Check => async ({ second }) => {
  const settings = await second?.call("CONFIG", "GET", "maxmemory-policy");
  return JSON.stringify(settings ?? "").includes(policy) && ((await numbersOf(second)).get("evicted_keys") ?? 0) > 0;
};

export const eviction: Lesson = {
  id: "eviction",
  title: "When memory is full",
  summary: "A limit, what is thrown out to make room, and how to say which.",
  secondStore: () => open("playground-eviction", { store: "memory", maxmemory: "1mb" }),
  steps: [
    {
      title: "A limit",
      text: `
        \`maxmemory\` says how much memory the data may take, and \`maxmemory-policy\` what happens at that limit.
        With \`noeviction\`, commands that need more are refused with \`OOM\`, and reads go on.

        The second terminal has a small store of its own with room for 1 MB. Store a value of 2 MB there, then try
        one more.
      `,
      demo: room,
      commands: [{ second: "CONFIG SET maxmemory-policy noeviction" }, { second: "CONFIG GET maxmemory*" }, { second: "SETRANGE eviction:big 2000000 x" }, { second: "SET eviction:small 1" }, { second: "DEL eviction:big" }],
      goals: [
        goal("Be refused: there is no room", inSecond(refused("OOM"))),
        goal("Make room again by deleting", inSecond(ran("DEL|UNLINK|FLUSHALL|FLUSHDB"))),
      ],
    },
    {
      title: "Who has to go?",
      text: `
        A cache would rather throw something out than refuse. Which key goes is up to the policy:
        \`allkeys-lru\` takes what was not used for longest, \`allkeys-lfu\` what is used least often, and
        \`volatile-ttl\` what would end soonest anyway.

        Each button begins with an empty store that has room for 28 pages, and writes them. Then it uses eight of
        them as the policy likes it, and writes twelve more, for which there is no room. See who goes.
      `,
      demo: pagesDemo,
      commands: [{ second: "CONFIG GET maxmemory-policy" }, { second: "EXISTS eviction:page:1" }, { second: "EXISTS eviction:page:12" }],
      goals: [
        goal("Throw out by `allkeys-lru`", wentBy("allkeys-lru")),
        goal("Throw out by `allkeys-lfu`", wentBy("allkeys-lfu")),
        goal("Throw out by `volatile-ttl`", wentBy("volatile-ttl")),
      ],
    },
    {
      title: "What it goes by",
      text: `
        \`OBJECT IDLETIME\` tells for how many seconds nobody has used a key, and with an \`lfu\` policy,
        \`OBJECT FREQ\` tells how often it is used, on a scale from 0 to 255.

        Redis does not compare all the keys, as that would be slow: it looks at a few and takes the worst of
        them. \`maxmemory-samples\` says how many; the step before set it to 64, usually it is 5.
      `,
      demo: room,
      commands: [
        { second: "SET eviction:note hi" },
        { second: "CONFIG SET maxmemory-policy allkeys-lru" },
        { second: "OBJECT IDLETIME eviction:note" },
        { second: "CONFIG SET maxmemory-policy allkeys-lfu" },
        { second: "OBJECT FREQ eviction:note" },
      ],
      goals: [
        goal("Ask how long a key was idle", inSecond(ran("OBJECT", "IDLETIME"))),
        goal("Ask how often a key is used", inSecond(ran("OBJECT", "FREQ"))),
      ],
    },
  ],
};
