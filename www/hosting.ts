// What is built besides the page itself: the service worker, what is fetched ahead, and compressed files.
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { HtmlTagDescriptor, Plugin, Rollup } from "vite";

/** What is kept only once it was asked for: scripting is large, and the worker is for other apps. */
const RARE = /lodis_full|worker-/;
/** What `open` asks for once the first script runs: the module, and what wasm-bindgen has written to it. */
const MODULE = /lodis_bg-.*\.wasm$/;
const GLUE = /\b__wbg_ptr\b/;
const COMPRESSIBLE = /\.(html|js|css|wasm)$/;

const read = (path: string): Promise<string> => readFile(new URL(path, import.meta.url), "utf8");

/** Writes `sw.js`, by which the page works offline after its first visit. */
export function offline(): Plugin {
  return {
    name: "offline",
    apply: "build",
    generateBundle: {
      // Chunks of nothing but style are gone by then.
      order: "post",
      async handler(_, bundle) {
        const files = Object.keys(bundle).filter((file) => !RARE.test(file) && !file.endsWith(".html")).sort();
        const hash = createHash("sha256").update(files.join("\n"));
        // Names of files are made from what is in them; that of the page is not.
        hash.update(await read("index.html"));
        const worker = await read("src/sw.js");
        const source = worker
          .replace("__VERSION__", hash.digest("hex").slice(0, 16))
          .replace("[/* __FILES__ */]", JSON.stringify(files.map((file) => `./${file}`)));
        this.emitFile({ type: "asset", fileName: "sw.js", source });
      },
    },
  };
}

/** Has the browser fetch the module while it reads the first script, which asks for it at the end. */
export function ahead(): Plugin {
  return {
    name: "ahead",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle = {} }) {
        const outputs = Object.values(bundle);
        const wasm = outputs.find(({ fileName }) => MODULE.test(fileName));
        const glues = outputs.filter((output) => output.type === "chunk" && output.isDynamicEntry && GLUE.test(output.code));
        // The one of the module with scripting has more to say.
        const [glue] = glues.sort((a, b) => lengthOf(a) - lengthOf(b));
        if (!wasm || !glue) throw new Error("the page loads no module, or one that has no glue");
        return [
          link({ rel: "modulepreload", crossorigin: true, href: `./${glue.fileName}` }),
          link({ rel: "preload", as: "fetch", type: "application/wasm", crossorigin: true, href: `./${wasm.fileName}` }),
        ];
      },
    },
  };
}

function lengthOf(output: Rollup.OutputAsset | Rollup.OutputChunk): number {
  return output.type === "chunk" ? output.code.length : output.source.length;
}

function link(attrs: NonNullable<HtmlTagDescriptor["attrs"]>): HtmlTagDescriptor {
  return { tag: "link", attrs, injectTo: "head" };
}

/** Grows by what a build changes, and may be deleted. */
const CACHE = fileURLToPath(new URL("node_modules/.cache/compressed", import.meta.url));
const brotli = promisify(brotliCompress);
const gzipped = promisify(gzip);

/** Writes every file compressed as well, for hosts that serve `name.br` or `name.gz` in its place. */
export function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir = "dist" }, bundle) {
      const files = Object.keys(bundle).filter((file) => COMPRESSIBLE.test(file));
      await Promise.all(files.map((file) => compress(join(dir, file))));
    },
  };
}

async function compress(path: string): Promise<void> {
  const bytes = await readFile(path);
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  await Promise.all([
    kept(`${path}.br`, bytes, () => brotli(bytes, { params })),
    kept(`${path}.gz`, bytes, () => gzipped(bytes, { level: constants.Z_BEST_COMPRESSION })),
  ]);
}

/** Writes what `make` makes of bytes, which takes seconds for the modules, or what it made of them before. */
async function kept(path: string, bytes: Uint8Array, make: () => Promise<Uint8Array>): Promise<void> {
  const place = join(CACHE, createHash("sha256").update(bytes).digest("hex") + extname(path));
  const known = await readFile(place).catch(() => undefined);
  const made = known ?? (await make());
  await writeFile(path, made);
  if (known) return;
  await mkdir(CACHE, { recursive: true });
  await writeFile(`${place}.new`, made);
  await rename(`${place}.new`, place);
}
