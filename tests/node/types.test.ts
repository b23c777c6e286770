// The types that a user sees: what is right compiles, what is wrong does not.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

test("node/types compiles, and every @ts-expect-error is one", () => {
  const tsc = path("../../pkg/node_modules/typescript/bin/tsc");
  const run = spawnSync(process.execPath, [tsc, "-p", path("types/tsconfig.json")]);
  expect(run.stdout.toString()).toBe("");
  expect(run.status).toBe(0);
});
