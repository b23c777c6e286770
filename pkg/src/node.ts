// The entry for Node: the module is read from the file beside the package.
import { opener } from "./open.js";
import { salvager } from "./salvage.js";
import { wasmFile } from "./wasm-file.js";

export * from "./exports.js";

export const open = opener(wasmFile);
export const salvage = salvager(wasmFile);
