// The entry for Workers: the module comes with the script, as everything does there.
import core from "./lodis_bg.wasm";
import { onlyCore } from "./one-module.js";
import { opener } from "./open.js";
import { inRequest } from "./request-scope.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

const source = inRequest(onlyCore(core));

export const open = opener(source);
export const salvage = salvager(source);
