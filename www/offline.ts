// The service worker of the playground: a list of what was built, and a worker that keeps it.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Plugin } from "vite";

/** What is kept only once it was asked for: scripting is large, and the worker is for other apps. */
const RARE = /lodis_full|worker-/;

const read = (path: string): Promise<string> => readFile(new URL(path, import.meta.url), "utf8");

/** Writes `sw.js`, by which the page works offline after its first visit. */
export function offline(): Plugin {
  return {
    name: "offline",
    apply: "build",
    async generateBundle(_, bundle) {
      const files = Object.keys(bundle).filter((file) => !RARE.test(file) && !file.endsWith(".html")).sort();
      const hash = createHash("sha256").update(files.join("\n"));
      // Names of files are made from what is in them; that of the page is not.
      hash.update(await read("index.html"));
      const worker = await read("src/sw.js");
      const source = worker
        .replace("__VERSION__", hash.digest("hex").slice(0, 16))
        .replace("[/* __FILES__ */]", JSON.stringify(["./", ...files.map((file) => `./${file}`)]));
      this.emitFile({ type: "asset", fileName: "sw.js", source });
    },
  };
}
