// The entry for the edge runtime of Vercel with scripting: the full module comes with the script, and no other.
import full from "./lodis_full_bg.wasm?module";
import { onlyFull } from "./one-module.js";
import { opener } from "./open.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

const source = onlyFull(full);

export const open = opener(source, { scripting: true });
export const salvage = salvager(source, true);
