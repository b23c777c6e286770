// Bundles of an app with a framework, and the pages that run them.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { compile, compileModule } from "svelte/compiler";
import { PKG } from "./browser.js";
import { serveFolder } from "./serving.js";

const HERE = import.meta.dirname;

/** The frameworks that the tests have: the package has some of its own, for its types, and an app only one. */
const single: Plugin = {
  name: "single",
  setup(build) {
    build.onResolve({ filter: /^(react|react-dom|vue|svelte)($|\/)/ }, ({ path, kind, pluginData }) =>
      pluginData === single ? undefined : build.resolve(path, { kind, resolveDir: HERE, pluginData: single }),
    );
  },
};

/** The package itself is served as it is. */
const served: Plugin = {
  name: "served",
  setup(build) {
    build.onResolve({ filter: /^lodis$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** Components of Svelte, by name. */
const svelte = (components: Record<string, string>, generate: "client" | "server"): Plugin => ({
  name: "svelte",
  setup(build) {
    build.onResolve({ filter: /\.svelte(\.js)?$/ }, ({ path, importer }) =>
      importer.includes("node_modules") ? undefined : { path: path.slice(2), namespace: "components" },
    );
    build.onLoad({ filter: /.*/, namespace: "components" }, ({ path }) => {
      const source = components[path]!;
      const options = { filename: path, generate, dev: true } as const;
      const { js } = path.endsWith(".js") ? compileModule(source, options) : compile(source, options);
      return { contents: js.code, resolveDir: HERE };
    });
  },
});

async function bundled(contents: string, options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: HERE },
    bundle: true,
    write: false,
    define: {
      "process.env.NODE_ENV": '"development"',
      __VUE_OPTIONS_API__: "true",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "true",
    },
    logLevel: "error",
    ...options,
    plugins: [single, ...(options.plugins ?? [])],
  });
  return outputFiles![0]!.text;
}

/**
 * Serves the package with pages that have `app` as a script, which may import `lodis` and frameworks; `pages`
 * has what is in them.
 */
export async function serveApp(app: string, pages: Record<string, string>, components: Record<string, string> = {}) {
  const script = await bundled(app, {
    format: "esm",
    conditions: ["browser"],
    plugins: [served, svelte(components, "client")],
  });
  const head = `<!doctype html><title>app</title><link rel="icon" href="data:,">
    <script type="importmap">{ "imports": { "lodis": "/index.js" } }</script>`;
  const files = Object.entries(pages).map(([path, body]) => [
    path,
    `${head}<body>${body}<script type="module" src="/app.js"></script></body>`,
  ]);
  return serveFolder(PKG, { ...Object.fromEntries(files), "/app.js": script });
}

/** What a script that runs in Node, as on a server, exports. */
export async function onServer<T>(script: string, components: Record<string, string> = {}): Promise<T> {
  const text = await bundled(script, {
    format: "cjs",
    platform: "node",
    plugins: [svelte(components, "server")],
  });
  const folder = await mkdtemp(join(tmpdir(), "lodis-server-"));
  try {
    const file = join(folder, "server.cjs");
    await writeFile(file, text);
    return createRequire(import.meta.url)(file) as T;
  } finally {
    await rm(folder, { recursive: true });
  }
}
