// The entry without a module: whoever has it hands it over.
import type { Source } from "./boundary/wasm.js";
import { hostIn } from "./hosting.js";
import { opener } from "./open.js";
import { salvager } from "./salvage.js";

export * from "./exports.js";

/** Where the module comes from. */
export type ModuleSource = Source | Promise<Source>;

const given = new Map<boolean, ModuleSource>();

/**
 * Gives the module that `open` is to use: `lodis/wasm`, or `lodis/full/wasm` with `scripting`, as a
 * `WebAssembly.Module`, its bytes, a URL or a `Response`. It is compiled by the first `open`.
 */
export function init(module: ModuleSource, { scripting = false }: { scripting?: boolean } = {}): void {
  given.set(scripting, module);
}

const source = (scripting: boolean): ModuleSource => {
  const module = given.get(scripting);
  if (module !== undefined) return module;
  const which = scripting ? "lodis/full/wasm and { scripting: true }" : "lodis/wasm";
  throw new TypeError(`open: call init() of lodis/slim with the module of ${which} first`);
};

/**
 * Opens the instance called `name`, with the data that its store has. Call `init` with the module first.
 *
 * @throws TypeError for a bad name or option; StoreError when the store cannot be used.
 */
export const open = opener(source, { hostIn });
/**
 * Reads what can be read of the store that `open(name, { store })` refuses as `STORE_CORRUPT`: its base and the
 * log, up to the first damage. The store, by default IndexedDB, stays as it is.
 *
 * @throws StoreError `STORE_UNAVAILABLE` if there is no such store, `STORE_TOO_NEW`, or `STORE_CORRUPT` if nothing
 * can be read.
 */
export const salvage = salvager(source);
