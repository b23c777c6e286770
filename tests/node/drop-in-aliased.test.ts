// The aliases of the README, in a run of Vitest that has them.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("an app's tests pass with aliases", async () => {
  const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
  const config = fileURLToPath(new URL("drop-in/vitest.config.ts", import.meta.url));
  const words = [vitest, "run", "--config", config, "--reporter", "json"];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, words, { env: { ...process.env, REDIS_URL: "" } }).catch(
    (failed: { stdout: string; stderr: string }) => failed,
  );
  expect(JSON.parse(stdout.slice(stdout.indexOf("{"))), stderr).toMatchObject({ numPassedTests: 4, numTotalTests: 4, success: true });
}, 60_000);
