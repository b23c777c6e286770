// Bundlers look for these very words.
const core = () => new URL("./lodis_bg.wasm", import.meta.url);
const full = () => new URL("./lodis_full_bg.wasm", import.meta.url);

/** Where the module is, with scripting or without, beside this file in the package. */
export const wasmUrl = (scripting: boolean) => (scripting ? full() : core());
