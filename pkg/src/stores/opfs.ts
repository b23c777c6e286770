import { FileStore, type Files } from "./files.js";
import { type Store, storeError } from "./store.js";

/**
 * A store in the origin private file system, for dedicated workers: its synchronous files are there
 * and nowhere else. It belongs to one worker at a time, and is free again when that one has ended.
 *
 * @param path Where in the file system, folders separated by `/`.
 * @throws TypeError if the path is not a string, is empty, or has parts that are, or are `.` or `..`.
 */
export function opfs(path: string): Store {
  const folders = typeof path === "string" ? path.split("/") : [];
  if (folders.length === 0 || folders.some((folder) => ["", ".", ".."].includes(folder))) {
    throw new TypeError('opfs: the path is a string like "app/lodis"');
  }
  return new FileStore(new Opfs(folders));
}

/** A file that this worker alone has open; TypeScript's library for pages has no such type. */
interface SyncFile {
  read(bytes: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(length: number): void;
  flush(): void;
  getSize(): number;
  close(): void;
}

const LOCK = "lock";
/** A small file has two slots, of which the one with the higher number and a right checksum counts. */
const SLOT_LEN = 512;
/** Number, length and checksum of a slot. */
const SLOT_HEADER_LEN = 16;

/** {@link Files} of a folder in the origin private file system. */
class Opfs implements Files {
  private folder: FileSystemDirectoryHandle | undefined;
  private readonly files = new Map<string, SyncFile>();

  constructor(private readonly path: readonly string[]) {}

  async open(): Promise<void> {
    if (!("FileSystemSyncAccessHandle" in globalThis)) {
      const where = "document" in globalThis ? "in dedicated workers only" : "not in this environment";
      throw storeError("STORE_UNAVAILABLE", `synchronous files are ${where}`);
    }
    let folder = await navigator.storage.getDirectory();
    for (const name of this.path) folder = await folder.getDirectoryHandle(name, { create: true });
    this.folder = folder;
    try {
      await this.file(LOCK);
    } catch (error) {
      if ((error as Error).name !== "NoModificationAllowedError") throw error;
      const path = this.path.join("/");
      throw storeError("STORE_LOCKED", `the store in "${path}" is open in another worker`);
    }
  }

  async list(): Promise<Map<string, number>> {
    const lengths = new Map<string, number>();
    // Also newer than TypeScript's library.
    const names = (this.folder as unknown as { keys(): AsyncIterable<string> }).keys();
    for await (const name of names) {
      if (!/^[a-z]+-\d+$/.test(name)) continue;
      lengths.set(name, (await this.file(name)).getSize());
      this.release(name);
    }
    return lengths;
  }

  async read(name: string, at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, (await this.file(name)).read(bytes, { at }));
  }

  async write(name: string, at: number, bytes: Uint8Array): Promise<void> {
    const written = (await this.file(name)).write(bytes, { at });
    if (written < bytes.length) {
      throw new DOMException("only a part of the bytes could be written", "QuotaExceededError");
    }
  }

  async truncate(name: string, length: number): Promise<void> {
    (await this.file(name)).truncate(length);
  }

  async sync(names: Iterable<string>): Promise<void> {
    for (const name of names) this.files.get(name)?.flush();
  }

  async replace(name: string, bytes: Uint8Array): Promise<void> {
    const file = await this.file(name);
    const current = newest(file);
    const number = (current?.number ?? 0) + 1;
    const slot = new Uint8Array(SLOT_HEADER_LEN + bytes.length);
    const view = new DataView(slot.buffer);
    view.setFloat64(0, number, true);
    view.setUint32(8, bytes.length, true);
    slot.set(bytes, SLOT_HEADER_LEN);
    view.setUint32(12, checksum(slot), true);
    const at = (number % 2) * SLOT_LEN;
    if (slot.length > SLOT_LEN || file.write(slot, { at }) < slot.length) {
      throw new DOMException("the manifest could not be written", "QuotaExceededError");
    }
    file.flush();
  }

  async load(name: string): Promise<Uint8Array | undefined> {
    return newest(await this.file(name))?.bytes;
  }

  async remove(name: string): Promise<void> {
    this.release(name);
    await this.folder!.removeEntry(name).catch((error: Error) => {
      if (error.name !== "NotFoundError") throw error;
    });
  }

  async close(): Promise<void> {
    for (const name of [...this.files.keys()]) this.release(name);
  }

  private async file(name: string): Promise<SyncFile> {
    let file = this.files.get(name);
    if (file) return file;
    const handle = await this.folder!.getFileHandle(name, { create: true });
    const { createSyncAccessHandle } = handle as unknown as {
      createSyncAccessHandle(this: FileSystemFileHandle): Promise<SyncFile>;
    };
    file = await createSyncAccessHandle.call(handle);
    this.files.set(name, file);
    return file;
  }

  private release(name: string): void {
    this.files.get(name)?.close();
    this.files.delete(name);
  }
}

/** The newer of the two slots that are whole. */
function newest(file: SyncFile): { number: number; bytes: Uint8Array } | undefined {
  const slots = new Uint8Array(2 * SLOT_LEN);
  const length = file.read(slots, { at: 0 });
  const found = [0, SLOT_LEN].flatMap((at) => {
    if (at + SLOT_HEADER_LEN > length) return [];
    const view = new DataView(slots.buffer, at);
    const end = SLOT_HEADER_LEN + view.getUint32(8, true);
    if (end > SLOT_LEN || at + end > length) return [];
    const slot = slots.slice(at, at + end);
    if (checksum(slot) !== view.getUint32(12, true)) return [];
    return [{ number: view.getFloat64(0, true), bytes: slot.subarray(SLOT_HEADER_LEN) }];
  });
  return found.sort((a, b) => b.number - a.number)[0];
}

/** FNV-1a over a slot, but for the four bytes of the checksum itself. */
function checksum(slot: Uint8Array): number {
  let hash = 0x811c9dc5;
  slot.forEach((byte, index) => {
    if (index < 12 || index >= 16) hash = Math.imul(hash ^ byte, 0x01000193);
  });
  return hash >>> 0;
}
