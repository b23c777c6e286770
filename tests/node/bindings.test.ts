// The bindings for frameworks in Node, as servers load them; what they do is in ../browser.
import { createRequire } from "node:module";
import { expect, test } from "vitest";

const require = createRequire(import.meta.url);

test.each([
  ["lodis/react", ["LodisProvider", "useLodis", "useLodisQuery", "useRedis"], () => import("lodis/react")],
  ["lodis/vue", ["lodis", "provideLodis", "useLodis", "useRedis"], () => import("lodis/vue")],
])("%s is imported, and required", async (entry, names, imported: () => Promise<object>) => {
  expect(Object.keys(await imported()).sort()).toEqual(names);
  expect(Object.keys(require(entry) as object).sort()).toEqual(names);
});

test("lodis/svelte is imported", async () => {
  expect(Object.keys(await import("lodis/svelte")).sort()).toEqual(["live", "provideLodis", "useRedis"]);
});
