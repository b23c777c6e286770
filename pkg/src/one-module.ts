import type { SourceOf } from "./load.js";

/** The source of a runtime whose script comes with the module without scripting, and no other. */
export const onlyCore = (core: WebAssembly.Module): SourceOf => (scripting) => {
  if (scripting) throw new TypeError("open: the module with scripting is that of lodis/full here");
  return core;
};

/** The same with the full module. */
export const onlyFull = (full: WebAssembly.Module): SourceOf => (scripting) => {
  if (!scripting) throw new TypeError("open: the module without scripting is that of lodis here");
  return full;
};
