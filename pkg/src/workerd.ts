// The entry for Workers: the module comes with the script, as everything does there.
import core from "./lodis_bg.wasm";
import { opener } from "./open.js";
import { mustBeInRequest } from "./request-scope.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

const source = (scripting: boolean): WebAssembly.Module => {
  mustBeInRequest();
  if (scripting) throw new TypeError("open: the module with scripting is that of lodis/full here");
  return core;
};

export const open = opener(source);
export const salvage = salvager(source);
