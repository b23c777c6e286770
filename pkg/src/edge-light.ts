// The entry for the edge runtime of Vercel: the module comes with the script, as everything does there.
import core from "./lodis_bg.wasm?module";
import { onlyCore } from "./one-module.js";
import { opener } from "./open.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

const source = onlyCore(core);

export const open = opener(source);
export const salvage = salvager(source);
