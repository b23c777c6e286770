// Importing the package touches nothing of the page and leaves nothing behind.
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import vm from "node:vm";
import { expect, test } from "vitest";

const dist = (file: string) => new URL(`../../pkg/dist/${file}`, import.meta.url);

/** An entry and the chunks that it imports, by name. */
async function modules(entry: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const queue = [entry]; queue.length > 0; ) {
    const name = queue.pop()!;
    if (found.has(name)) continue;
    const source = await readFile(dist(name), "utf8");
    found.set(name, source);
    // Those of a dynamic import are found too.
    for (const [, chunk] of source.matchAll(/"\.\/(chunk-\w+\.js)"/g)) queue.push(chunk!);
  }
  return found;
}

const ENTRIES = ["index.js", "full.js", "slim.js", "rest.js", "inline.js", "inline-full.js"];

test.each(ENTRIES)("%s can be evaluated where there are no globals at all", async (entry) => {
  const script = `
    const vm = require("node:vm");
    const sources = new Map(JSON.parse(require("node:fs").readFileSync(0, "utf8")));
    const context = vm.createContext(Object.create(null));
    const before = Object.getOwnPropertyNames(vm.runInContext("globalThis", context)).join();
    const modules = new Map();
    for (const [name, source] of sources) modules.set(name, new vm.SourceTextModule(source, { context }));
    (async () => {
      const module = modules.get(process.argv[1]);
      await module.link((name) => modules.get(name.replace("./", "")));
      await module.evaluate();
      const after = Object.getOwnPropertyNames(vm.runInContext("globalThis", context)).join();
      console.log(JSON.stringify({ same: before === after, exports: Object.keys(module.namespace) }));
    })();`;
  const flags = ["--experimental-vm-modules", "--no-warnings", "-e", script, entry];
  const input = JSON.stringify([...(await modules(entry))]);
  const run = spawnSync(process.execPath, flags, { input });
  expect(run.stderr.toString()).toBe("");
  const { same, exports } = JSON.parse(run.stdout.toString());
  expect(same).toBe(true);
  expect(exports).toContain(entry === "rest.js" ? "rest" : "open");
});

test("a process that has opened an instance ends by itself", () => {
  const script = `
    import { open } from ${JSON.stringify(dist("node.js").href)};
    const redis = await open("leaves");
    await redis.set("key", "value", { EX: 1000 });
    console.log(await redis.get("key"));`;
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 10_000 });
  expect([run.status, run.stdout.toString(), run.stderr.toString()]).toEqual([0, "value\n", ""]);
});

test.each(ENTRIES)("%s has no top-level await and knows nothing of Node", async (entry) => {
  for (const [name, source] of await modules(entry)) {
    const body = source
      .replace(/^import (\{[^}]*\} from )?"[^"]*";$/gm, "")
      .replace(/^export \{[^}]*\};?$/gm, "")
      .replace(/import\.meta/g, "({})");
    expect(() => new vm.Script(body), name).not.toThrow();
    expect(source, name).not.toContain("node:");
  }
});

test("the module can be handed over", async () => {
  const { open } = await import("../../pkg/dist/index.js");
  await using redis = await open("handed", { wasm: await readFile(dist("lodis_bg.wasm")) });
  expect(await redis.set("a", 1)).toBe("OK");
});
