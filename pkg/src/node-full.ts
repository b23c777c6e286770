// The entry for Node with scripting: the full module is read, unless `open` is told otherwise.
import { opener } from "./open.js";
import { salvager } from "./salvage.js";
import { wasmFile } from "./wasm-file.js";

export * from "./exports.js";

/**
 * Opens the instance called `name`, with the data that its store has: memory, unless `store` is a directory. There are scripts.
 *
 * @throws TypeError for a bad name or option; StoreError when the store cannot be used.
 * @example
 * ```ts
 * await using redis = await open("my-app");
 * await redis.set("greeting", "hello"); // "OK"
 * await redis.get("greeting"); // "hello"
 * ```
 */
export const open = opener(wasmFile, { scripting: true });
/**
 * Reads what can be read of the store that `open(name, { store })` refuses as `STORE_CORRUPT`: its base and the
 * log, up to the first damage. The store, by default IndexedDB, stays as it is.
 *
 * @throws StoreError `STORE_UNAVAILABLE` if there is no such store, `STORE_TOO_NEW`, or `STORE_CORRUPT` if nothing
 * can be read.
 */
export const salvage = salvager(wasmFile, true);
