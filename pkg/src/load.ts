import type { Module, Source } from "./boundary/wasm.js";

/** The instantiated module: its classes and its memory. */
export interface Loaded {
  readonly module: Module;
  readonly memory: WebAssembly.Memory;
}

/** Gives the module, with scripting or without, or a promise of it. */
export type SourceOf = (scripting: boolean) => Source | Promise<Source>;

const loading = new Map<boolean, Promise<Loaded>>();

/** Instantiates the module the first time; a page, worker or process has one of each kind. */
export function load(source: SourceOf, scripting: boolean): Promise<Loaded> {
  const loaded =
    loading.get(scripting) ??
    instantiate(source, scripting).catch((error: unknown) => {
      loading.delete(scripting);
      throw error;
    });
  loading.set(scripting, loaded);
  return loaded;
}

async function instantiate(source: SourceOf, scripting: boolean): Promise<Loaded> {
  // Both are written out, so that bundlers find them.
  const module: Module = await (scripting ? import("lodis-wasm-full") : import("lodis-wasm"));
  const { memory } = await module.default({ module_or_path: source(scripting) });
  return { module, memory };
}
