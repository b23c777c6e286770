// The entry for the edge runtime of Vercel: the module comes with the script, as everything does there.
import core from "./lodis_bg.wasm?module";
import { opener } from "./open.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

const source = (scripting: boolean): WebAssembly.Module => {
  if (scripting) throw new TypeError("open: the module with scripting is that of lodis/full here");
  return core;
};

export const open = opener(source);
export const salvage = salvager(source);
