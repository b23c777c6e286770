// The entry for browsers and bundlers. Importing it touches nothing; `open` fetches the module.
import { opener } from "./open.js";

export * from "./exports.js";

export const open = opener(() => new URL("./lodis_bg.wasm", import.meta.url));
