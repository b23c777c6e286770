// The RDB file of a server: when it is written, and how it is loaded.
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import type { Imported } from "../file-port.js";
import { Files } from "../files.js";
import { reasonOf } from "./conf.js";
import type { ServedEngine as Engine } from "./engine.js";

/** `errands`: the file is to be written. */
const WANTED = 1;
/** How often it is seen to whether it is time to save. */
const LOOK_MS = 200;
/** After a failure, it is not tried again at once. */
const RETRY_MS = 5000;

/** Saves an engine to a file, when commands ask for it and when `save` says so. */
export class RdbFile {
  private saving: Promise<void> | undefined;
  private readonly timer: NodeJS.Timeout;
  /** When the file was written, or loaded, and when that was tried: Unix milliseconds. */
  private savedMs = Date.now();
  private triedMs = 0;
  private hasFailed = false;
  private readonly files: Files;
  private points: readonly (readonly [seconds: number, changes: number])[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly path: string,
    private readonly onNotice: (text: string) => void,
  ) {
    this.files = new Files({ engine, mustHaveData: () => {}, storeError: () => undefined, stored: async () => {} }, new AbortController().signal);
    this.timer = setInterval(() => this.look(), LOOK_MS).unref();
    this.readPoints();
  }

  /** Loads the file; undefined if there is none. */
  async load(): Promise<Imported | undefined> {
    const { engine, files, path } = this;
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    if (!found) return undefined;
    const bytes = Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>;
    const imported = await files.import(bytes, { size: found.size });
    engine.lodis.forgetChanges();
    return imported;
  }

  /** Whether there is anything that says when to save. */
  get isAutomatic(): boolean {
    return this.points.length > 0;
  }

  /** CONFIG SET may have changed when to save. */
  readPoints(): void {
    const words = (this.engine.lodis.setting("save") ?? "").split(" ").map(Number);
    const points: [number, number][] = [];
    for (let at = 0; at + 1 < words.length; at += 2) points.push([words[at]!, words[at + 1]!]);
    this.points = points;
  }

  /** A command may have asked for it. */
  look(): void {
    if (this.saving) return;
    if ((this.engine.lodis.errands() & WANTED) !== 0 || this.isTime()) this.begin();
  }

  /** Writes the file, with everything that there is now. Rejects if that fails. */
  async save(): Promise<void> {
    // What is being written may lack what came after it was begun.
    await this.saving;
    this.begin();
    await this.saving;
    if (this.hasFailed) throw new Error(`could not save to ${this.path}`);
  }

  /** Lets go of what is being written. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.saving;
  }

  private isTime(): boolean {
    const { points, savedMs, triedMs } = this;
    const now = Date.now();
    if (points.length === 0 || (this.hasFailed && now - triedMs < RETRY_MS)) return false;
    const changes = this.engine.lodis.changes();
    return points.some(([seconds, least]) => changes >= Math.max(least, 1) && now - savedMs > seconds * 1000);
  }

  private begin(): void {
    this.triedMs = Date.now();
    const saving = this.write().then(
      () => this.finish(),
      (error: unknown) => this.finish(reasonOf(error)),
    );
    this.saving = saving.then(() => {
      this.saving = undefined;
      this.look();
    });
  }

  private finish(error?: string): void {
    const { engine } = this;
    this.hasFailed = error !== undefined;
    if (error === undefined) this.savedMs = Date.now();
    else this.onNotice(`saving to "${this.path}": ${error}`);
    engine.lodis.saved(error, Date.now());
    engine.drain();
    engine.attend();
  }

  /** What is there stays there until there is another that is whole. */
  private async write(): Promise<void> {
    const { engine, path } = this;
    const temporary = join(dirname(path), `temp-${process.pid}-${basename(path)}`);
    const file = await open(temporary, "w");
    try {
      const began = (): void => engine.lodis.beganSaving();
      await this.files.write(false, false, {}, (piece) => file.writeFile(piece), began);
      await file.sync();
      await file.close();
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await file.close().catch(() => {});
      await rm(temporary, { force: true });
      throw error;
    }
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
