import { Host } from "./host.js";
import { hostIn } from "./hosting.js";
import { load, type SourceOf } from "./load.js";
import { type OpenOptions, settingsOf } from "./options.js";
import { Redis } from "./redis.js";
import { askToPersist } from "./storage.js";

/** The `open` of a runtime whose module comes from `source`; with scripting if nothing is said of it. */
export function opener(source: SourceOf, scripts = false) {
  /**
   * Opens the instance called `name`, with the data that its store has.
   *
   * @throws TypeError for a bad name or option; StoreError when the store cannot be used.
   */
  return async function open(name: string, options: OpenOptions = {}): Promise<Redis> {
    const settings = settingsOf(name, options);
    const { wasm, scripting = scripts, host: place = "page" } = options;
    if (options.persist) askToPersist();
    const hosted = place === "page" ? undefined : await hostIn(place, name, { ...options, scripting });
    try {
      const loaded = await load(wasm === undefined ? source : () => wasm, scripting);
      const host = new Host(loaded, settings, hosted);
      await host.open();
      return new Redis(host);
    } catch (error) {
      await hosted?.close().catch(() => {});
      throw error;
    }
  };
}
