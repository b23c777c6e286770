// What a bundler pulls in for an entry: its scripts, minified and compressed. The modules have budgets of
// their own (`xtask/src/size.rs`).
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";

const here = fileURLToPath(new URL(".", import.meta.url));
const pkg = fileURLToPath(new URL("../../pkg/", import.meta.url));

/** What tells that something has come along: a text of its own that no minifier changes. */
const MARKS = {
  /** The engine's side of the boundary, and who conducts it. */
  engine: "Another tab leads, and this one holds no copy",
  /** What wasm-bindgen has written. */
  glue: "__wbg_ptr",
  /** The module, beside the script, imported or in it. */
  wasm: /lodis(_full)?_bg\.wasm|[A-Za-z0-9+/]{100000}/,
  core: "lodis_bg.wasm",
  full: "lodis_full_bg.wasm",
  node: /["']node:/,
  rest: "upstash-response-format",
  /** What talks to an upstream comes when there is one. */
  upstream: "LODIS.UPSTREAM",
} as const;

interface Budget {
  /** Conditions of the bundler; `node` is built for Node. */
  readonly for: readonly string[];
  /** Bytes in gzip that are loaded with the entry. */
  readonly atOnce: number;
  /** With what is loaded once it is needed. */
  readonly all: number;
  /** What does not come along. */
  readonly without?: readonly (keyof typeof MARKS)[];
}

const BROWSER = ["browser"];
const WORKERD = ["workerd", "worker", "browser"];
const EDGE = ["edge-light", "worker", "browser"];
const NODE = ["node"];

/** What the entries for pages, and those that stand for themselves, leave out. */
const FOREIGN = ["glue", "node", "rest", "upstream"] as const;
const ALONE = ["engine", "glue", "node", "wasm"] as const;

/** Budgets: what was reached, rounded up a little. What makes an entry larger says so here. */
const BUDGETS: Readonly<Record<string, readonly Budget[]>> = {
  "lodis": [
    { for: BROWSER, atOnce: 25_400, all: 46_000, without: FOREIGN },
    { for: WORKERD, atOnce: 25_000, all: 45_600, without: [...FOREIGN, "full"] },
    { for: EDGE, atOnce: 24_900, all: 45_500, without: [...FOREIGN, "full"] },
    { for: NODE, atOnce: 24_900, all: 45_500, without: ["glue", "rest"] },
    { for: [], atOnce: 25_500, all: 46_100, without: FOREIGN },
  ],
  "lodis/full": [
    { for: BROWSER, atOnce: 25_400, all: 46_000, without: FOREIGN },
    { for: WORKERD, atOnce: 25_000, all: 45_600, without: [...FOREIGN, "core"] },
    { for: EDGE, atOnce: 24_900, all: 45_500, without: [...FOREIGN, "core"] },
    { for: NODE, atOnce: 24_900, all: 45_500, without: ["glue", "rest"] },
    { for: [], atOnce: 25_500, all: 46_100, without: FOREIGN },
  ],
  "lodis/slim": [{ for: BROWSER, atOnce: 25_500, all: 46_000, without: [...FOREIGN, "wasm"] }],
  "lodis/worker": [{ for: BROWSER, atOnce: 24_500, all: 45_100, without: FOREIGN }],
  "lodis/durable-object": [{ for: WORKERD, atOnce: 31_500, all: 52_100, without: ["glue", "node", "full"] }],
  "lodis/durable-object/client": [{ for: WORKERD, atOnce: 5_900, all: 5_900, without: [...ALONE, "rest"] }],
  "lodis/full/durable-object": [{ for: WORKERD, atOnce: 31_500, all: 52_100, without: ["glue", "node", "core"] }],
  "lodis/rest": [{ for: BROWSER, atOnce: 6_000, all: 6_000, without: ALONE }],
  "lodis/react": [{ for: BROWSER, atOnce: 600, all: 600, without: ALONE }],
  "lodis/vue": [{ for: BROWSER, atOnce: 800, all: 800, without: ALONE }],
  "lodis/svelte": [{ for: BROWSER, atOnce: 750, all: 750, without: ALONE }],
  "lodis/terminal": [{ for: BROWSER, atOnce: 6_200, all: 6_200, without: ALONE }],
  "lodis/terminal/pane": [{ for: BROWSER, atOnce: 7_900, all: 19_600, without: ALONE }],
  "lodis/terminal/element": [{ for: BROWSER, atOnce: 11_600, all: 69_100, without: ALONE }],
  "lodis/stores/conformance": [{ for: BROWSER, atOnce: 2_500, all: 2_500, without: ALONE }],
  "lodis/stores/files": [{ for: BROWSER, atOnce: 2_700, all: 2_700, without: ALONE }],
  "lodis/stores/memory": [{ for: BROWSER, atOnce: 700, all: 700, without: ALONE }],
  "lodis/patterns": [{ for: BROWSER, atOnce: 15_000, all: 15_000, without: ALONE }],
  "lodis/patterns/autocomplete": [{ for: BROWSER, atOnce: 1_050, all: 1_050, without: ALONE }],
  "lodis/patterns/cache": [{ for: BROWSER, atOnce: 3_300, all: 3_300, without: ALONE }],
  "lodis/patterns/leaderboard": [{ for: BROWSER, atOnce: 2_300, all: 2_300, without: ALONE }],
  "lodis/patterns/lock": [{ for: BROWSER, atOnce: 2_400, all: 2_400, without: ALONE }],
  "lodis/patterns/once": [{ for: BROWSER, atOnce: 3_600, all: 3_600, without: ALONE }],
  "lodis/patterns/presence": [{ for: BROWSER, atOnce: 1_300, all: 1_300, without: ALONE }],
  "lodis/patterns/queue": [{ for: BROWSER, atOnce: 6_200, all: 6_200, without: ALONE }],
  "lodis/patterns/rate-limit": [{ for: BROWSER, atOnce: 2_400, all: 2_400, without: ALONE }],
  "lodis/patterns/sessions": [{ for: BROWSER, atOnce: 1_700, all: 1_700, without: ALONE }],
  "lodis/patterns/stream-worker": [{ for: BROWSER, atOnce: 2_600, all: 2_600, without: ALONE }],
  "lodis/patterns/unique-counter": [{ for: BROWSER, atOnce: 950, all: 950, without: ALONE }],
  "lodis/patterns/write-behind": [{ for: BROWSER, atOnce: 3_900, all: 3_900, without: ALONE }],
  "lodis/stores/opfs": [{ for: BROWSER, atOnce: 3_600, all: 3_600, without: ALONE }],
  "lodis/stores/directory": [{ for: NODE, atOnce: 3_800, all: 3_800, without: ["engine", "glue", "wasm"] }],
  // The engine is its other end, and the module is read when there is one.
  "lodis/node": [{ for: NODE, atOnce: 28_100, all: 48_800, without: ["glue", "rest"] }],
  "lodis/ioredis": [{ for: NODE, atOnce: 27_600, all: 48_300, without: ["glue", "rest"] }],
  "lodis/redis": [{ for: NODE, atOnce: 28_100, all: 48_800, without: ["glue", "rest"] }],
};

/** What is no script. */
const FILES = /^\.\/(wasm|full\/wasm|lodis_bg\.wasm|lodis_full_bg\.wasm|terminal\/pane\.css|package\.json)$/;

/** The entries of the package, as they are imported. */
function entries(): string[] {
  const { exports } = JSON.parse(readFileSync(`${pkg}package.json`, "utf8")) as { exports: Record<string, unknown> };
  return Object.keys(exports)
    .filter((entry) => !FILES.test(entry))
    .flatMap((entry) => {
      if (!entry.endsWith("/*")) return [entry];
      const folder = entry.slice(0, -1);
      const files = readdirSync(`${pkg}dist/${folder}`).filter((file) => file.endsWith(".js"));
      return files.map((file) => folder + basename(file, ".js"));
    })
    .map((entry) => `lodis${entry.slice(1)}`);
}

interface Sizes {
  readonly atOnce: number;
  readonly all: number;
  /** The text of what is loaded with the entry. */
  readonly text: string;
  /** And of everything. */
  readonly whole: string;
}

/** Builds what an app that imports everything of an entry would load. */
async function sizesOf(entry: string, conditions: readonly string[]): Promise<Sizes> {
  const { outputFiles, metafile, warnings } = await build({
    stdin: { contents: `export * from "${entry}";`, resolveDir: here, loader: "js" },
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    platform: conditions === NODE ? "node" : conditions === BROWSER ? "browser" : "neutral",
    conditions: [...conditions],
    external: ["*.wasm", "*.wasm?module", "cloudflare:workers", "node:*", "react", "vue", "svelte", "svelte/*", "ioredis", "redis"],
    metafile: true,
    write: false,
    outdir: "/out",
    logLevel: "silent",
  });
  expect(warnings).toEqual([]);
  const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [basename(path), output]));
  const atOnce = new Set<string>();
  const reach = (name: string): void => {
    if (atOnce.has(name)) return;
    atOnce.add(name);
    for (const { kind, path, external } of outputs.get(name)!.imports) {
      if (kind === "import-statement" && !external) reach(basename(path));
    }
  };
  reach("stdin.js");
  // A module that is in the script is counted as a module.
  const scripts = [...texts.keys()].filter((name) => !/[A-Za-z0-9+/]{100000}/.test(texts.get(name)!));
  const sum = (names: readonly string[]) =>
    names.reduce((bytes, name) => bytes + gzipSync(texts.get(name)!, { level: 9 }).length, 0);
  const text = [...atOnce].map((name) => texts.get(name)!).join("\n");
  return { atOnce: sum([...atOnce]), all: sum(scripts), text, whole: [...texts.values()].join("\n") };
}

test("every entry of the package has a budget, and every budget an entry", () => {
  expect(Object.keys(BUDGETS).sort()).toEqual(entries().sort());
});

describe.each(Object.entries(BUDGETS))("%s", (entry, budgets) => {
  test.each(budgets)("for $for: $atOnce bytes at once, $all with the rest", async (budget) => {
    const { atOnce, all, text } = await sizesOf(entry, budget.for);
    expect(atOnce, "bytes in gzip, at once").toBeLessThanOrEqual(budget.atOnce);
    expect(all, "bytes in gzip, with what comes later").toBeLessThanOrEqual(budget.all);
    // A budget that is far too large tells nothing.
    expect(atOnce, "bytes in gzip, at once: lower the budget").toBeGreaterThan(budget.atOnce * 0.85);
    for (const part of budget.without ?? []) expect(text, `${part} in what is loaded at once`).not.toMatch(MARKS[part]);
  });
});

test("what tells that something has come along does", async () => {
  const [browser, inline, node, rest] = await Promise.all([
    sizesOf("lodis", BROWSER),
    sizesOf("lodis", []),
    sizesOf("lodis/stores/directory", NODE),
    sizesOf("lodis/rest", BROWSER),
  ]);
  expect(browser.text).toMatch(MARKS.engine);
  for (const mark of [MARKS.wasm, MARKS.core, MARKS.full]) expect(browser.text).toMatch(mark);
  expect(browser.whole).toMatch(MARKS.glue);
  expect(inline.whole).toMatch(MARKS.wasm);
  expect(node.text).toMatch(MARKS.node);
  expect(rest.text).toMatch(MARKS.rest);
});
