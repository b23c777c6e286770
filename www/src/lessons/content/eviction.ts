import { open, type Redis } from "lodis";
import { element } from "../../element.js";
import { figureDemo } from "../demos/figure.js";
import { all, type Lesson } from "../lesson.js";

/** How many pages there are, so that not all have room. */
const PAGES = 3000;
/** So many are written at a time. */
const CHUNK = 100;

async function numbersOf(redis: Redis | undefined): Promise<Map<string, number>> {
  const info = (await redis?.info("memory", "stats")) ?? "";
  return new Map([...info.matchAll(/^(\w+):(\d+)/gm)].map(([, name, value]) => [name!, Number(value)]));
}

const room = figureDemo("In the second terminal's store there are", async ({ second }) => {
  const numbers = await numbersOf(second);
  return `${await second?.dbSize()} keys in ${Math.round((numbers.get("used_memory") ?? 0) / 1000)} of ${Math.round((numbers.get("maxmemory") ?? 0) / 1000)} KB; ${numbers.get("evicted_keys")} were evicted`;
});

const inSecond = (is: (numbers: Map<string, number>, redis: Redis) => boolean | Promise<boolean>) =>
  async ({ second }: { second: Redis | undefined }): Promise<boolean> => second !== undefined && is(await numbersOf(second), second);

export const eviction: Lesson = {
  id: "eviction",
  title: "When memory is full",
  summary: "A limit, what is thrown out for what is new, and how to say which.",
  secondStore: () => open("playground-eviction", { store: "memory", maxmemory: "1mb" }),
  steps: [
    {
      title: "A limit",
      text: `
        \`maxmemory\` limits what the data takes, and \`maxmemory-policy\` says what happens there. With
        \`noeviction\`, commands that need more are refused with \`OOM\`. The second terminal below is a small
        store of its own; fill it with a value that is too large.
      `,
      demo: room,
      commands: [{ second: "CONFIG GET maxmemory*" }, { second: "SETRANGE eviction:big 2000000 x" }, { second: "SET eviction:small 1" }],
      check: ({ ran }) => ran.some(({ replies }) => replies.some((reply) => reply.type === "error" && reply.text.startsWith("OOM"))),
    },
    {
      title: "Out with the oldest",
      text: `
        A cache would rather lose what nobody has used for long: \`allkeys-lru\`. Then write many pages, and see
        keys go while new ones come. Other policies look at how often a key was used (\`lfu\`), only at keys that
        end anyway (\`volatile-…\`), or throw dice.
      `,
      demo: (stage) => {
        const fill = async (): Promise<void> => {
          for (let page = 0; page < PAGES; page += CHUNK) {
            const pipeline = stage.second?.pipeline();
            for (let index = page; index < page + CHUNK; index++) pipeline?.set(`eviction:page:${index}`, "x".repeat(500));
            await pipeline?.exec();
          }
        };
        const name = `Write ${PAGES.toLocaleString("en")} pages there`;
        const demo = room(stage);
        demo.append(element("button", { type: "button", class: "plain", attributes: { "data-demo": "fill" }, on: { click: () => void fill() } }, name));
        return demo;
      },
      commands: [{ second: "DEL eviction:big" }, { second: "CONFIG SET maxmemory-policy allkeys-lru" }, { second: "DBSIZE" }],
      check: inSecond((numbers) => (numbers.get("evicted_keys") ?? 0) > 0),
    },
    {
      title: "Who stayed?",
      text: `
        The first pages are gone, the last ones are there: \`EXISTS\` tells. \`OBJECT IDLETIME\` says for how many
        seconds nobody has used a key; that is what it goes by.
      `,
      demo: room,
      commands: [{ second: "EXISTS eviction:page:0" }, { second: `EXISTS eviction:page:${PAGES - 1}` }, { second: `OBJECT IDLETIME eviction:page:${PAGES - 1}` }],
      check: all(
        ({ ran }) => ran.filter(({ words }) => words[0]?.toUpperCase() === "EXISTS").length >= 2,
        ({ ran }) => ran.some(({ words }) => words[0]?.toUpperCase() === "OBJECT"),
      ),
    },
  ],
};
