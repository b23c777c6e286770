import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { FileStore, type Files } from "./files.js";
import { type Store, storeError } from "./store.js";

/**
 * A store in a directory of this machine, for Node. It is made if there is none, and
 * belongs to one instance at a time: the file `lock` names its process. `appendfsync always` waits for
 * fsync; what is acknowledged before is synced within a second.
 *
 * @throws TypeError if the path is not a string or is empty.
 */
export function directory(path: string): Store {
  if (typeof path !== "string" || path === "") {
    throw new TypeError("directory: the path is a string that is not empty");
  }
  return new FileStore(new Directory(resolve(path)));
}

const LOCK = "lock";
/** Is there while a lock is taken from a process that has ended. */
const TAKEOVER = "lock.takeover";
const OWNER = `${process.pid} ${hostname()}\n`;
const THIS_PROCESS = { name: "another instance in this process", hasEnded: false };
/** A lock that was just made may have no text yet. */
const OWNER_ATTEMPTS = 10;
const OWNER_PAUSE_MS = 20;
const TEMPORARY = ".new";

/** Directories that this very process has open. */
const taken = new Set<string>();

/** {@link Files} of a directory. */
class Directory implements Files {
  private readonly handles = new Map<string, FileHandle>();
  /** A name has come or gone since the directory was synced. */
  private isChanged = false;

  constructor(private readonly path: string) {}

  async open(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    if (taken.has(this.path)) throw locked(this.path, THIS_PROCESS);
    taken.add(this.path);
    try {
      await this.lock();
    } catch (error) {
      taken.delete(this.path);
      throw error;
    }
  }

  async list(): Promise<Map<string, number>> {
    const lengths = new Map<string, number>();
    for (const entry of await readdir(this.path, { withFileTypes: true })) {
      if (!entry.isFile() || !/^[a-z]+-\d+$/.test(entry.name)) continue;
      lengths.set(entry.name, (await (await this.handle(entry.name)).stat()).size);
      await this.release(entry.name);
    }
    return lengths;
  }

  async read(name: string, at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const handle = await this.handle(name);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await handle.read(bytes, done, length - done, at + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  }

  async write(name: string, at: number, bytes: Uint8Array): Promise<void> {
    const handle = await this.handle(name);
    for (let done = 0; done < bytes.length; ) {
      done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    }
  }

  async truncate(name: string, length: number): Promise<void> {
    await (await this.handle(name)).truncate(length);
  }

  async sync(names: Iterable<string>): Promise<void> {
    for (const name of names) await this.handles.get(name)?.datasync();
    if (this.isChanged) await this.syncDirectory();
  }

  async replace(name: string, bytes: Uint8Array): Promise<void> {
    const temporary = join(this.path, name + TEMPORARY);
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, join(this.path, name));
    await this.syncDirectory();
  }

  async load(name: string): Promise<Uint8Array | undefined> {
    return (await read(join(this.path, name))) ?? undefined;
  }

  async remove(name: string): Promise<void> {
    await this.release(name);
    await rm(join(this.path, name), { force: true });
    this.isChanged = true;
  }

  async close(): Promise<void> {
    try {
      for (const name of [...this.handles.keys()]) await this.release(name);
      const lock = join(this.path, LOCK);
      // Another process may have made the directory anew.
      if (new TextDecoder().decode(await read(lock)) === OWNER) await rm(lock, { force: true });
    } finally {
      taken.delete(this.path);
    }
  }

  /** The file, open for reading and writing. */
  private async handle(name: string): Promise<FileHandle> {
    let handle = this.handles.get(name);
    if (handle) return handle;
    const path = join(this.path, name);
    try {
      handle = await open(path, "r+");
    } catch (error) {
      if (!isCode(error, "ENOENT")) throw error;
      handle = await open(path, "w+");
      this.isChanged = true;
    }
    this.handles.set(name, handle);
    return handle;
  }

  private async release(name: string): Promise<void> {
    const handle = this.handles.get(name);
    this.handles.delete(name);
    await handle?.close();
  }

  private async syncDirectory(): Promise<void> {
    this.isChanged = false;
    // Windows has no handles of directories, nor needs them synced.
    if (process.platform === "win32") return;
    const handle = await open(this.path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** Takes the directory, also from a process that has ended without giving it back. */
  private async lock(): Promise<void> {
    const path = join(this.path, LOCK);
    if (await made(path, OWNER)) return;
    // One at a time: what another has made in place of the old lock must stay.
    const takeover = join(this.path, TAKEOVER);
    if (!(await made(takeover, OWNER))) throw locked(this.path, await ownerOf(takeover));
    try {
      const owner = await ownerOf(path);
      if (owner && !owner.hasEnded) throw locked(this.path, owner);
      await rm(path, { force: true });
      if (!(await made(path, OWNER))) throw locked(this.path, await ownerOf(path));
    } finally {
      await rm(takeover, { force: true });
    }
  }
}

/** Makes a file, unless there is one. */
async function made(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if (isCode(error, "EEXIST")) return false;
    throw error;
  }
}

interface Owner {
  readonly name: string;
  readonly hasEnded: boolean;
}

async function ownerOf(path: string): Promise<Owner | undefined> {
  for (let attempt = 0; attempt < OWNER_ATTEMPTS; attempt++) {
    const bytes = await read(path);
    if (!bytes) return undefined;
    const [pid, host] = new TextDecoder().decode(bytes).trim().split(" ");
    if (pid && host) {
      // This process has not: `taken` would know.
      const hasEnded = host === hostname() && (Number(pid) === process.pid || !isAlive(Number(pid)));
      return { name: `process ${pid} on ${host}, says the file "${path}"`, hasEnded };
    }
    await setTimeout(OWNER_PAUSE_MS);
  }
  return { name: "a process that ended while it made the lock", hasEnded: true };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return isCode(error, "EPERM");
  }
}

async function read(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

function locked(path: string, owner: Owner | undefined): Error {
  const name = owner?.name ?? "another process";
  return storeError("STORE_LOCKED", `the store in "${path}" is open in ${name}`);
}
