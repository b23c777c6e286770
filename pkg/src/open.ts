import { Host } from "./host.js";
import { load, type SourceOf } from "./load.js";
import { type OpenOptions, settingsOf } from "./options.js";
import { Redis } from "./redis.js";
import { askToPersist } from "./storage.js";

/** The `open` of a runtime whose module comes from `source`. */
export function opener(source: SourceOf) {
  /**
   * Opens the instance called `name`, with the data that its store has.
   *
   * @throws TypeError for a bad name or option; StoreError when the store cannot be used.
   */
  return async function open(name: string, options: OpenOptions = {}): Promise<Redis> {
    const settings = settingsOf(name, options);
    const { wasm } = options;
    if (options.persist) askToPersist();
    const host = new Host(await load(wasm === undefined ? source : () => wasm), settings);
    await host.open();
    return new Redis(host);
  };
}
