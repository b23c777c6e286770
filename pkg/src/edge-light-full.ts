// The entry for the edge runtime of Vercel with scripting: the full module comes with the script, and no other.
import full from "./lodis_full_bg.wasm?module";
import { opener } from "./open.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

const source = (scripting: boolean): WebAssembly.Module => {
  if (!scripting) throw new TypeError("open: the module without scripting is that of lodis here");
  return full;
};

export const open = opener(source, { scripting: true });
export const salvage = salvager(source, true);
