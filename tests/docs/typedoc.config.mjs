// What the reference of the API is made of: `cargo xtask docs`.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { exports } = JSON.parse(readFileSync(here("../../pkg/package.json"), "utf8"));

/** Entries with the same declarations as another one. */
const SAME = ["./full", "./full/durable-object"];

/** The sources of every entry that has declarations. */
const entryPoints = Object.entries(exports)
  .filter(([name, entry]) => JSON.stringify(entry).includes(".d.ts") && !SAME.includes(name))
  .flatMap(([, entry]) => {
    const [, declarations] = /"types":"\.\/dist\/(?!cjs\/)([^"]*)\.d\.ts"/.exec(JSON.stringify(entry));
    if (!declarations.includes("*")) return [declarations];
    const folder = declarations.slice(0, -1);
    const files = readdirSync(here(`../../pkg/src/${folder}`)).filter((file) => file.endsWith(".ts"));
    const isBuilt = (file) => readdirSync(here(`../../pkg/dist/${folder}`)).includes(file.replace(".ts", ".js"));
    return files.filter(isBuilt).map((file) => folder + file.slice(0, -3));
  })
  .map((source) => here(`../../pkg/src/${source}.ts`));

/** @type {import("typedoc").TypeDocOptions} */
export default {
  name: "lodis",
  tsconfig: here("../../pkg/tsconfig.json"),
  entryPoints: [...new Set(entryPoints)],
  readme: here("../../pkg/README.md"),
  out: here("../../target/docs"),
  plugin: [here("plugin.mjs")],
  excludeInternal: true,
  // What entries pass on of other packages (redis, ioredis), or inherit from Node, is described there.
  excludeExternals: true,
  excludePrivate: true,
  excludeProtected: true,
  disableGit: true,
  disableSources: true,
  highlightLanguages: ["bash", "html", "css", "javascript", "json", "jsx", "sh", "svelte", "ts", "tsx", "vue"],
  githubPages: false,
  hideGenerator: true,
  validation: { notExported: true, invalidLink: true, notDocumented: true, rewrittenLink: true },
  requiredToBeDocumented: ["Variable", "Function", "Class", "Interface", "Property", "Constructor", "EnumMember", "Enum", "Method", "Accessor", "TypeAlias"],
  // Parts of types that are said as a whole.
  intentionallyNotExported: ["BytesOf", "TokenOf", "ObjectOf", "Chosen", "Fitting", "Source", "Words", "DurableObjectState", "Paired", "ReplyOf", "MethodOf", "Shown"],
};
