// The entry for browsers and bundlers. Importing it touches nothing; `open` fetches the module.
import { opener } from "./open.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

const source = () => new URL("./lodis_bg.wasm", import.meta.url);

export const open = opener(source);
export const salvage = salvager(source);
