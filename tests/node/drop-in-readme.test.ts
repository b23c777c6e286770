// The README's file of tests, in Vitest; apps/jest of tests/builds has it in Jest.
import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { block } from "./readme.js";

const file = (name: string) => fileURLToPath(new URL(`drop-in/${name}`, import.meta.url));

const CONFIG = 'export default { test: { root: import.meta.dirname, include: ["readme.tmp.ts"] } };';
const IMPORTS = `
  import { closeServers, flushServers, inProcessIoredis, inProcessRedis, server } from "lodis/node";
  import { afterAll, beforeEach, expect, test, vi } from "vitest";
  import { cache, cached, redis, visit } from "./app.js";`;
const TESTS = `
  for (const time of [1, 2]) {
    test("each begins with nothing", async () => {
      expect([await visit("home", 9), await cached("key", () => "made " + time)]).toEqual([1, "made " + time]);
      expect(await lodis.get("visits:home")).toBe("1");
    });
  }
  afterAll(() => [redis, cache].forEach((client) => client.destroy?.() ?? client.disconnect()));`;

test("an app's tests pass in Vitest, as the README has them", async () => {
  const example = await block("package: The clients of Redis, without a server, js, the second");
  const [vitest, rest] = example.split(/^\/\/ Jest:\n(?:jest\..*\n)+/m) as [string, string];
  await writeFile(file("readme.tmp.ts"), [IMPORTS, vitest, rest, TESTS].join("\n"));
  await writeFile(file("readme.tmp.config.js"), CONFIG);
  try {
    const words = [file("../../node_modules/vitest/vitest.mjs"), "run", "--config", file("readme.tmp.config.js"), "--reporter", "json"];
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
    const { stdout, stderr } = await promisify(execFile)(process.execPath, words, { env: { ...env, REDIS_URL: "" } }).catch(
      (failed: { stdout: string; stderr: string }) => failed,
    );
    expect(JSON.parse(stdout.slice(stdout.indexOf("{"))), stderr).toMatchObject({ numPassedTests: 2, numTotalTests: 2, success: true });
  } finally {
    for (const name of ["readme.tmp.ts", "readme.tmp.config.js"]) await rm(file(name), { force: true });
  }
}, 60_000);
