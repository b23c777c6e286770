// Importing the package touches nothing of the page and leaves nothing behind.
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { expect, test } from "vitest";

const dist = (file: string) => new URL(`../../pkg/dist/${file}`, import.meta.url);

test("the browser's entry can be evaluated where there are no globals at all", async () => {
  const script = `
    const vm = require("node:vm");
    const fs = require("node:fs");
    const source = fs.readFileSync(process.argv[1], "utf8");
    const context = vm.createContext(Object.create(null));
    const before = Object.getOwnPropertyNames(vm.runInContext("globalThis", context)).join();
    const module = new vm.SourceTextModule(source, { context });
    (async () => {
      await module.link((name) => { throw new Error("imports " + name); });
      await module.evaluate();
      const after = Object.getOwnPropertyNames(vm.runInContext("globalThis", context)).join();
      console.log(JSON.stringify({ same: before === after, open: typeof module.namespace.open }));
    })();`;
  const flags = ["--experimental-vm-modules", "--no-warnings", "-e", script];
  const run = spawnSync(process.execPath, [...flags, fileURLToPath(dist("index.js"))]);
  expect(run.stderr.toString()).toBe("");
  expect(JSON.parse(run.stdout.toString())).toEqual({ same: true, open: "function" });
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

test("no top-level await, and the browser's entry knows nothing of Node", async () => {
  const source = await readFile(dist("index.js"), "utf8");
  expect(() => new vm.Script(source.replace(/^export \{[^}]*\};?$/gm, "").replace(/import\.meta/g, "({})"))).not.toThrow();
  expect(source).not.toContain("node:");
});

test("the module can be handed over", async () => {
  const { open } = await import("../../pkg/dist/index.js");
  await using redis = await open("handed", { wasm: await readFile(dist("lodis_bg.wasm")) });
  expect(await redis.set("a", 1)).toBe("OK");
});
