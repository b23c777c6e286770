// Bundles the entries into dist/, writes their declarations, and puts the wasm file beside them.
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The entry with scripting. */
const fullOf = (entry) => (entry === "index" ? "full" : `${entry}-full`);
const source = (entry) => here(`src/${entry}.ts`);

// Where `cargo xtask wasm` puts a module, and what its file is called in the package.
const modules = { wasm: "lodis_bg.wasm", "wasm-full": "lodis_full_bg.wasm" };
for (const directory of Object.keys(modules)) {
  await stat(here(`${directory}/lodis_bg.wasm`)).catch(() => {
    console.error(`pkg/${directory} is empty: run \`cargo xtask wasm\` first`);
    process.exit(1);
  });
}
await rm(here("dist"), { recursive: true, force: true });

/** The modules as chunks of the script: compressed, in base64. */
const inline = {
  name: "inline",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^lodis-inline/ }, ({ path }) => ({ path, namespace: "inline" }));
    onLoad({ filter: /.*/, namespace: "inline" }, async ({ path }) => {
      const directory = path === "lodis-inline" ? "wasm" : "wasm-full";
      const compressed = gzipSync(await readFile(here(`${directory}/lodis_bg.wasm`)), { level: 9 });
      return { contents: compressed.toString("base64"), loader: "text" };
    });
  },
};
const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  outdir: here("dist"),
  outbase: here("src"),
  splitting: true,
  chunkNames: "chunk-[hash]",
  alias: { "lodis-wasm": here("wasm/lodis.js"), "lodis-wasm-full": here("wasm-full/lodis.js") },
  // Runtimes and other bundlers make modules of these; packages are the app's own.
  external: ["*.wasm", "*.wasm?module", "cloudflare:workers", "ioredis", "redis", "react", "vue", "svelte"],
  loader: { ".css": "text" },
  plugins: [inline],
  logLevel: "warning",
};
const stores = ["stores/conformance", "stores/files", "stores/memory", "stores/opfs"];
const patterns = [
  "autocomplete", "cache", "leaderboard", "lock", "once", "presence", "queue", "rate-limit", "sessions", "stream-worker",
  "unique-counter", "write-behind",
];
const alone = ["patterns", ...patterns.map((name) => `patterns/${name}`)];
/** For frameworks, which their users have. */
const frameworks = ["react", "vue"];
const runtimes = ["index", "inline", "workerd", "edge-light"].flatMap((entry) => [entry, fullOf(entry)]);
const objects = ["durable-object", fullOf("durable-object"), "durable/remote"];
const nodeEntries = ["node", "node-full", "clients/index", "stores/directory"];
/** What takes the place of packages that only their users have. */
const dropIns = { "clients/ioredis": "inProcessIoredis", "clients/redis": "inProcessRedis" };
// One build, so that an error is of the same class whichever entries an app imports. Only the entries for
// Node reach what is imported from `node:`.
await build({
  ...common,
  platform: "node",
  entryPoints: [
    ...[...runtimes, ...objects, "slim", "worker", "rest", "terminal", "terminal/pane", "terminal/element", ...stores, ...alone],
    ...[...frameworks, "svelte"],
    ...[...nodeEntries, ...Object.keys(dropIns), "cli"],
  ].map(source),
});
// What imports nothing of a chunk need not name it: bundlers would warn of an import that has no effect.
for (const file of await readdir(here("dist"), { recursive: true })) {
  if (!file.endsWith(".js")) continue;
  const script = await readFile(here(`dist/${file}`), "utf8");
  await writeFile(here(`dist/${file}`), script.replace(/^import "(\.\.?\/)+chunk-\w+\.js";\n/gm, ""));
}
// For `require`: one file, of which the others are parts, for the same reason.
const required = [...nodeEntries, "slim", "rest", "terminal", ...stores, ...alone];
await build({
  ...common,
  platform: "node",
  format: "cjs",
  splitting: false,
  outdir: undefined,
  outbase: undefined,
  chunkNames: undefined,
  outfile: here("dist/cjs/all.js"),
  define: { "import.meta.url": "importMetaUrl" },
  // Jest runs scripts that cannot import.
  supported: { "dynamic-import": false },
  // The module lies beside the other entries.
  banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(require("node:path").resolve(__dirname, "../all.js")).href;' },
  stdin: {
    contents: required.map((entry, index) => `export * as _${index} from "./${entry}.ts";`).join("\n"),
    resolveDir: here("src"),
    loader: "ts",
  },
});
// Who has no such framework must not have to load it.
await build({
  ...common,
  platform: "node",
  format: "cjs",
  splitting: false,
  outdir: here("dist/cjs"),
  chunkNames: undefined,
  entryPoints: frameworks.map(source),
});
await writeFile(here("dist/cjs/package.json"), '{ "type": "commonjs" }\n');
const write = async (entry, script) => {
  await mkdir(dirname(here(`dist/cjs/${entry}`)), { recursive: true });
  await writeFile(here(`dist/cjs/${entry}.js`), script);
};
for (const [index, entry] of required.entries()) {
  await write(entry, `module.exports = require("${entry.includes("/") ? ".." : "."}/all.js")._${index};\n`);
}
for (const [entry, inProcess] of Object.entries(dropIns)) {
  const [, original] = /from "(.*\/index\.js)"/.exec(await readFile(source(entry), "utf8"));
  const made = `require("./index.js").${inProcess}(require("${original}"))`;
  // Who reads declarations looks for what they promise.
  const named = entry === "clients/ioredis" ? "exports.default = exports;\n" : "";
  await write(entry, `exports = module.exports = ${made};\n${named}`);
}
for (const [directory, file] of Object.entries(modules)) {
  await copyFile(here(`${directory}/lodis_bg.wasm`), here(`dist/${file}`));
}
await copyFile(here("src/terminal/pane.css"), here("dist/terminal/pane.css"));
for (const license of ["LICENSE-APACHE", "LICENSE-MIT"]) {
  await copyFile(here(`../${license}`), here(`dist/${license}`));
}

const tsc = here("node_modules/typescript/bin/tsc");
// Declarations in a package of the other kind are of that kind.
for (const directory of ["dist", "dist/cjs"]) {
  const options = ["--emitDeclarationOnly", "--declaration", "-p", here("tsconfig.json"), "--outDir", here(directory)];
  const { status } = spawnSync(process.execPath, [tsc, ...options], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
