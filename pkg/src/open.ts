import { signalOf } from "./commands.js";
import { Host } from "./host.js";
import type { hostIn } from "./hosting.js";
import { load, type SourceOf } from "./load.js";
import { type OpenOptions, type Settings, settingsOf } from "./options.js";
import { Redis } from "./redis.js";
import { orAborted } from "./requests.js";
import { askToPersist } from "./storage.js";

/** What a runtime has, and does if nothing is said of it. */
export interface Runtime {
  readonly scripting?: boolean;
  /** Has a worker open the name; without it there are no workers. */
  readonly hostIn?: typeof hostIn;
}

/** The `open` of a runtime whose module comes from `source`. */
export function opener(source: SourceOf, runtime: Runtime = {}) {
  /**
   * Opens the instance called `name`, with the data that its store has.
   *
   * @throws TypeError for a bad name or option; StoreError when the store cannot be used.
   */
  return async function open(name: string, options: OpenOptions = {}): Promise<Redis> {
    const settings = settingsOf(name, options);
    const signal = signalOf(options);
    signal?.throwIfAborted();
    // What is open too late is closed.
    return orAborted(opened(source, runtime, settings, options), signal, (redis) => redis.close());
  };
}

async function opened(
  source: SourceOf,
  runtime: Runtime,
  settings: Settings,
  options: OpenOptions,
): Promise<Redis> {
  const { wasm, scripting = runtime.scripting ?? false, host: place = "page" } = options;
  if (options.persist) askToPersist();
  if (place !== "page" && !runtime.hostIn) throw new TypeError("open: there are no workers here to host it");
  const hosted =
    place === "page" ? undefined : await runtime.hostIn!(place, settings.name, { ...options, scripting });
  try {
    const loaded = await load(wasm === undefined ? source : () => wasm, scripting);
    const host = new Host(loaded, settings, hosted);
    await host.open();
    return new Redis(host);
  } catch (error) {
    await hosted?.close().catch(() => {});
    throw error;
  }
}
