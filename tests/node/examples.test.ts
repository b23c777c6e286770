// Every example in the comments of the package compiles as a user would have it, runs, and answers what it says.
import { rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { checks, type Example, examplesInComments, moduleOf, scriptOf, typeErrors } from "./examples.js";

const examples = await examplesInComments();
const file = (index: number, ending: string) => fileURLToPath(new URL(`./example-${index}.tmp.${ending}`, import.meta.url));

beforeEach(() => {
  for (const method of ["log", "warn"] as const) vi.spyOn(console, method).mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

test("there are examples, and the types of all are right", { timeout: 120_000 }, () => {
  expect(examples.length).toBeGreaterThan(30);
  const modules = new Map(examples.map((example, index) => [file(index, "mts"), moduleOf(example)]));
  expect(typeErrors(modules)).toEqual([]);
});

// They are parts of apps, which run in pages: tests/browser has hooks that do so.
test("the types of those for pages are right", { timeout: 120_000 }, async () => {
  const parts = await examplesInComments("tsx");
  expect(parts.map(({ place }) => place.split(":")[0])).toEqual(["react.ts", "svelte.ts", "terminal/element.ts", "vue.ts"]);
  expect(typeErrors(new Map(parts.map(({ text }, index) => [file(index, "tsx"), text])))).toEqual([]);
  expect(typeErrors(new Map([[file(0, "tsx"), parts[0]!.text.replace("user?.name", "user?.name.none")]]))).not.toEqual([]);
});

test.each(examples.map((example, index) => [example.place, example, index] as [string, Example, number]))(
  "%s runs, and answers what it says",
  async (_, example, index) => {
    const module = moduleOf(example);
    const found: unknown[] = [];
    const check = (answer: unknown, expected: unknown): void => {
      found.push(answer);
      expect(answer).toEqual(expected);
    };
    const name = file(index, "mjs");
    await writeFile(name, `const check = globalThis.checkOf${index};\n${scriptOf(module)}`);
    Object.assign(globalThis, { [`checkOf${index}`]: check });
    try {
      await import(/* @vite-ignore */ name);
    } finally {
      await rm(name);
    }
    expect(found).toHaveLength(checks(module));
  },
);
