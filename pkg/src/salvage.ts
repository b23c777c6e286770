import { Host } from "./host.js";
import { load, type SourceOf } from "./load.js";
import { type OpenOptions, settingsOf } from "./options.js";
import { Redis } from "./redis.js";

/** What could be read of a store. */
export interface Salvaged {
  /** An instance in memory that holds it; `exportRdb()` makes a file of it. */
  readonly redis: Redis;
  /** What could not be read; `null` if all of it could. */
  readonly lost: string | null;
}

/** The `salvage` of a runtime whose module comes from `source`, with scripting or without. */
export function salvager(source: SourceOf, scripting = false) {
  /**
   * Reads what can be read of the store that `open(name, { store })` refuses as `STORE_CORRUPT`: its
   * base and the log, up to the first damage. The store, by default IndexedDB, stays as it is.
   *
   * @throws StoreError `STORE_UNAVAILABLE` if there is no such store, `STORE_TOO_NEW`, or
   * `STORE_CORRUPT` if nothing can be read.
   */
  return async function salvage(
    name: string,
    options: Pick<OpenOptions, "store" | "databases" | "onProgress" | "wasm"> = {},
  ): Promise<Salvaged> {
    const { store, wasm } = options;
    if (store === "memory") throw new TypeError("salvage: a store that is kept");
    const settings = { ...settingsOf(name, options), store: "memory", appendOnly: false } as const;
    const host = new Host(await load(wasm === undefined ? source : () => wasm, scripting), settings);
    const lost = await host.salvage(typeof store === "object" ? store : undefined);
    return { redis: new Redis(host), lost };
  };
}
