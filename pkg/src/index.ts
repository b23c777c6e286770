// The entry for browsers and bundlers. Importing it touches nothing; `open` fetches the module.
import { opener } from "./open.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

// Bundlers look for these very words.
const core = () => new URL("./lodis_bg.wasm", import.meta.url);
const full = () => new URL("./lodis_full_bg.wasm", import.meta.url);
const source = (scripting: boolean) => (scripting ? full() : core());

export const open = opener(source);
export const salvage = salvager(source);
