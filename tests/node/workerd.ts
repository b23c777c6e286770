// Scripts as runtimes at the edge take them, and the runtime of Cloudflare's Workers.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { Miniflare, type MiniflareOptions } from "miniflare";

const here = import.meta.dirname;

/** A script, bundled for a runtime, and the modules that it imports. */
export async function bundled(contents: string, conditions: string[]) {
  const found = new Map<string, Uint8Array>();
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: here, loader: "js" },
    bundle: true,
    format: "esm",
    write: false,
    conditions,
    outfile: "worker.js",
    external: ["cloudflare:workers"],
    logLevel: "error",
    plugins: [
      {
        name: "modules",
        setup({ onResolve }) {
          onResolve({ filter: /\.wasm(\?module)?$/ }, async ({ path, resolveDir }) => {
            const file = join(resolveDir, path.replace("?module", ""));
            const name = file.split("/").at(-1)!;
            found.set(name, await readFile(file));
            return { path: `./${name}`, external: true };
          });
        },
      },
    ],
  });
  return { script: outputFiles![0]!.text, modules: found };
}

/** Starts workerd with a script, which may import the package. */
export async function startWorker(contents: string, options: Partial<MiniflareOptions> = {}): Promise<Miniflare> {
  const { script, modules } = await bundled(contents, ["workerd", "worker", "browser"]);
  return new Miniflare({
    compatibilityDate: "2026-04-01",
    modules: [
      { type: "ESModule", path: "worker.js", contents: script },
      ...[...modules].map(([path, bytes]) => ({ type: "CompiledWasm" as const, path, contents: bytes })),
    ],
    ...options,
  } as MiniflareOptions);
}
