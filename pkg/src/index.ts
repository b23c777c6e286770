// The entry for browsers and bundlers. Importing it touches nothing; `open` fetches the module.
import { hostIn } from "./hosting.js";
import { opener } from "./open.js";
import { salvager } from "./salvage.js";
import { wasmUrl } from "./wasm-url.js";

export * from "./exports.js";

export const open = opener(wasmUrl, { hostIn });
export const salvage = salvager(wasmUrl);
