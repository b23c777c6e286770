// The entry for Node with scripting: the full module is read, unless `open` is told otherwise.
import { opener } from "./open.js";
import { salvager } from "./salvage.js";
import { wasmFile } from "./wasm-file.js";

export * from "./exports.js";

export const open = opener(wasmFile, { scripting: true });
export const salvage = salvager(wasmFile, true);
