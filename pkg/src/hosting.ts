import { StoreError, type StoreErrorCode } from "./errors.js";
import type { OpenOptions } from "./options.js";

/** Where the instance lives that leads, unless another one does already. */
export type HostKind = "page" | "worker" | "shared-worker" | Worker | SharedWorker;

/** What a page asks of a worker. */
export type Request =
  | { readonly lodis: "open"; readonly name: string; readonly options: OpenOptions }
  | { readonly lodis: "close" };

/** What the worker answers. */
export type Answer =
  | { readonly lodis: "opened" | "closed" }
  | { readonly lodis: "failed"; readonly code: StoreErrorCode | undefined; readonly message: string };

/** A worker in which an instance lives. */
export interface Hosted {
  /** Lets go of it; resolves once all that it has is stored, unless other pages use it. */
  close(): Promise<void>;
}

/** What a worker is told: nothing that is a function or the page's own. */
const TOLD = [
  "appendonly",
  "appendfsync",
  "databases",
  "maxmemory",
  "maxmemoryPolicy",
  "requirepass",
  "users",
  "renameCommand",
  "downAfterMs",
  "scripting",
  "wasm",
] as const;

/** How long a worker has to store what it has when it is told to close, in milliseconds. */
const CLOSE_MS = 5000;

/**
 * Has a worker open the name before this page does.
 *
 * @throws StoreError as `open` does; TypeError where there are no such workers; Error if its script
 * cannot be loaded.
 */
export async function hostIn(
  host: Exclude<HostKind, "page">,
  name: string,
  options: OpenOptions,
): Promise<Hosted> {
  const worker = typeof host === "object" ? host : start(host, name);
  const port = "port" in worker ? worker.port : worker;
  const ask = (request: Request): Promise<void> =>
    new Promise((resolve, reject) => {
      const failed = (): void => reject(new Error("open: the script of the worker cannot be loaded"));
      worker.addEventListener("error", failed, { once: true });
      port.onmessage = ({ data }: MessageEvent<Answer>) => {
        worker.removeEventListener("error", failed);
        if (data.lodis !== "failed") resolve();
        else reject(data.code ? new StoreError(data.code, data.message) : new Error(data.message));
      };
      port.postMessage(request);
    });
  const end = (): void => {
    if (host === "worker") (worker as Worker).terminate();
  };
  const told = Object.fromEntries(TOLD.map((key) => [key, options[key]]));
  if (told.wasm instanceof URL) told.wasm = told.wasm.href;
  try {
    await ask({ lodis: "open", name, options: told });
  } catch (error) {
    end();
    throw error;
  }
  return {
    async close() {
      // One that has been ended does not answer.
      const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS));
      await Promise.race([ask({ lodis: "close" }), late]);
      end();
    },
  };
}

function start(kind: "worker" | "shared-worker", name: string): Worker | SharedWorker {
  const needed = kind === "worker" ? "Worker" : "SharedWorker";
  if (!(needed in globalThis)) throw new TypeError(`open: there is no ${needed} here`);
  // Bundlers look for these very words.
  if (kind === "worker") {
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: `lodis:${name}` });
  }
  return new SharedWorker(new URL("./worker.js", import.meta.url), {
    type: "module",
    name: `lodis:${name}`,
  });
}
