// The types that a user sees: what is right compiles, what is wrong does not.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

test.each(["types", "types/workers"])("node/%s compiles, and every @ts-expect-error is one", (folder) => {
  const tsc = path("../../pkg/node_modules/typescript/bin/tsc");
  const run = spawnSync(process.execPath, [tsc, "-p", path(`${folder}/tsconfig.json`)]);
  expect(run.stdout.toString()).toBe("");
  expect(run.status).toBe(0);
});
