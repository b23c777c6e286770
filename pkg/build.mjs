// Bundles the entries into dist/, writes their declarations, and puts the wasm file beside them.
import { spawnSync } from "node:child_process";
import { copyFile, rm, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

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

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  outdir: here("dist"),
  outbase: here("src"),
  splitting: true,
  chunkNames: "chunk-[hash]",
  alias: { "lodis-wasm": here("wasm/lodis.js"), "lodis-wasm-full": here("wasm-full/lodis.js") },
  logLevel: "warning",
};
// One build, so that an error is of the same class whichever entries an app imports. Only the entries for
// Node reach what is imported from `node:`.
const entries = ["index", "full", "rest", "stores/conformance", "stores/files", "stores/memory", "stores/opfs"];
const nodeEntries = ["node", "node-full", "cli", "stores/directory"];
await build({ ...common, platform: "node", entryPoints: [...entries, ...nodeEntries].map(source) });
// The worker loads the module of the package, as the page does.
await build({
  ...common,
  platform: "browser",
  external: ["./index.js"],
  entryPoints: [source("worker")],
});
for (const [directory, file] of Object.entries(modules)) {
  await copyFile(here(`${directory}/lodis_bg.wasm`), here(`dist/${file}`));
}
for (const license of ["LICENSE-APACHE", "LICENSE-MIT"]) {
  await copyFile(here(`../${license}`), here(`dist/${license}`));
}

const tsc = here("node_modules/typescript/bin/tsc");
const declarations = ["--emitDeclarationOnly", "--declaration", "-p", here("tsconfig.json")];
const { status } = spawnSync(process.execPath, [tsc, ...declarations], { stdio: "inherit" });
process.exit(status ?? 1);
