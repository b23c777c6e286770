import { StoreError } from "./errors.js";

/** What the browser tells of its storage; `undefined` where it does not tell. */
export interface StorageState {
  /** Whether it is kept until the user deletes it, and not only as long as there is room. */
  readonly persisted: boolean | undefined;
  /** How many bytes the site uses, about. */
  readonly usage: number | undefined;
  /** How many bytes it may use, about. */
  readonly quota: number | undefined;
}

/** How long other contexts may take to let go of a database, in milliseconds. */
const PATIENCE_MS = 5000;

/** Asks the browser. */
export async function storageState(): Promise<StorageState> {
  const manager = globalThis.navigator?.storage as Partial<StorageManager> | undefined;
  const [persisted, estimate] = await Promise.all([
    manager?.persisted?.().catch(() => undefined),
    manager?.estimate?.().catch(() => undefined),
  ]);
  return { persisted, usage: estimate?.usage, quota: estimate?.quota };
}

/** Asks the browser to keep the site's storage; some ask the user in turn. */
export function askToPersist(): void {
  const manager = globalThis.navigator?.storage as Partial<StorageManager> | undefined;
  manager?.persist?.().catch(() => {});
}

/**
 * Deletes what `name` has stored in IndexedDB, whatever state it is in. A name without a store is
 * none the worse.
 *
 * `force` takes the name from tabs that have it open: they go on with an empty store.
 *
 * @throws StoreError `STORE_LOCKED` when another instance, here or in another tab, has it open;
 * `STORE_UNAVAILABLE` when there is no IndexedDB, or it refuses.
 */
export async function deleteStore(name: string, { force = false }: { force?: boolean } = {}): Promise<void> {
  const { indexedDB } = globalThis;
  if (!indexedDB) throw new StoreError("STORE_UNAVAILABLE", "this environment has no IndexedDB");
  const database = `lodis:${name}`;
  const locks = globalThis.navigator?.locks;
  if (!locks) return drop(indexedDB, database);
  await locks.request(database, force ? { steal: true } : { ifAvailable: true }, (lock) => {
    if (lock) return drop(indexedDB, database);
    const reason = "an instance has it open, here or in another tab: close that first, or use { force: true }";
    throw new StoreError("STORE_LOCKED", reason);
  });
}

function drop(factory: IDBFactory, database: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (error: unknown) => reject(new StoreError("STORE_UNAVAILABLE", String(error)));
    try {
      const request = factory.deleteDatabase(database);
      // Connections are asked to close; one in a page that is frozen, or of another program, may not.
      const timer = setTimeout(() => {
        const reason = "another context keeps the database open; it is deleted once that context ends";
        reject(new StoreError("STORE_LOCKED", reason));
      }, PATIENCE_MS);
      request.onsuccess = () => {
        clearTimeout(timer);
        resolve();
      };
      request.onerror = () => {
        clearTimeout(timer);
        refuse(request.error);
      };
    } catch (error) {
      refuse(error);
    }
  });
}
