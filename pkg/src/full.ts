// The entry for browsers and bundlers with scripting: `open` fetches the full module, unless told otherwise.
import { hostIn } from "./hosting.js";
import { opener } from "./open.js";
import { salvager } from "./salvage.js";
import { wasmUrl } from "./wasm-url.js";

export * from "./exports.js";

export const open = opener(wasmUrl, { scripting: true, hostIn });
export const salvage = salvager(wasmUrl, true);
