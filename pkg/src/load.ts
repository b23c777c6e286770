import type { Module, Source } from "./boundary/wasm.js";

/** The instantiated module: its classes and its memory. */
export interface Loaded {
  readonly module: Module;
  readonly memory: WebAssembly.Memory;
}

/** Gives the module, or a promise of it. */
export type SourceOf = () => Source | Promise<Source>;

let loading: Promise<Loaded> | undefined;

/** Instantiates the module the first time; a page, worker or process has one. */
export function load(source: SourceOf): Promise<Loaded> {
  loading ??= instantiate(source).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function instantiate(source: SourceOf): Promise<Loaded> {
  const module: Module = await import("lodis-wasm");
  const { memory } = await module.default({ module_or_path: source() });
  return { module, memory };
}
