import { joined } from "../bytes.js";
import { endOf, type Found, FrameFile } from "./frames.js";
import { type Change, type Frame, mustBe, type Opened, sameBytes, type Store } from "./store.js";

/**
 * A folder of files that one context has for itself. Names are of letters, digits and `-`; one
 * method is called at a time.
 */
export interface Files {
  /** Makes the folder, and takes it: the code `STORE_LOCKED` says that somebody else has it. */
  open(): Promise<void>;
  /** Every file with its length in bytes, but for what the folder needs itself. */
  list(): Promise<Map<string, number>>;
  /** Bytes at a position; fewer where the file ends. */
  read(name: string, at: number, length: number): Promise<Uint8Array>;
  /** Writes at a position, which is at most the length; makes the file if there is none. */
  write(name: string, at: number, bytes: Uint8Array): Promise<void>;
  /** Cuts a file off after so many bytes. */
  truncate(name: string, length: number): Promise<void>;
  /** When this is done, a power cut takes back nothing of these files, nor that they are there. */
  sync(names: Iterable<string>): Promise<void>;
  /** Replaces a small file as a whole or not at all, for good. */
  replace(name: string, bytes: Uint8Array): Promise<void>;
  /** What `replace` wrote last. */
  load(name: string): Promise<Uint8Array | undefined>;
  /** Deletes a file. */
  remove(name: string): Promise<void>;
  /** Lets go of the folder. */
  close(): Promise<void>;
}

/** A new segment of records begins where one is as long as this, in bytes. */
export const SEGMENT_LEN = 1024 * 1024;
/** How long what is written relaxed may wait for its sync, in milliseconds. */
const SYNC_AFTER_MS = 1000;

const MANIFEST = "manifest";
const RECORDS = "records-";
const BASE = "base-";
const DIGITS = 16;

interface Stretch {
  readonly at: number;
  readonly bytes: Uint8Array;
}

interface Segment {
  readonly name: string;
  /** The offset of its first record. */
  readonly first: number;
}

/**
 * A store in files: `manifest`; records in segments `records-<offset of the first>`; the pieces of a
 * base in `base-<number>`. A segment is never changed before its end, but to cut what was not stored.
 */
export class FileStore implements Store {
  private segments: Segment[] = [];
  /** How much of each file is good. */
  private lengths = new Map<string, number>();
  /** What a power cut may take back, by file. */
  private readonly unsynced = new Map<string, Stretch[]>();
  /**
   * Files whose sync has failed: the system may have dropped what was to be written, and another
   * sync would not bring it back.
   */
  private readonly dropped = new Set<string>();
  /** Files that may be longer than `lengths` has it, since a write has failed. */
  private untidy = new Set<string>();
  /** The offset after the last frame of each file that was written to. */
  private ends = new Map<string, number>();
  /** What is being read, and which offset comes next at the earliest. */
  private cursor: { base: number; least: number; frames: AsyncGenerator<Found> } | undefined;
  /** A base has begun since the last record: what comes before will go when it is complete. */
  private beginsSegment = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Settles when what is under way has ended. */
  private turn: Promise<unknown> = Promise.resolve();

  /**
   * Opens nothing yet.
   *
   * @param files Where the files are.
   * @param segmentLen After about so many bytes of records, another file begins.
   */
  constructor(
    private readonly files: Files,
    private readonly segmentLen = SEGMENT_LEN,
  ) {}

  async open(): Promise<Opened> {
    await this.files.open();
    this.forget();
    try {
      this.lengths = await this.files.list();
      this.segments = [...this.lengths.keys()]
        .filter((name) => name.startsWith(RECORDS))
        .map((name) => ({ name, first: Number(name.slice(RECORDS.length)) }))
        .sort((a, b) => a.first - b.first);
      const manifest = await this.files.load(MANIFEST);
      const last = this.segments.at(-1);
      return { manifest, last: last && last.first + this.lengthOf(last.name) };
    } catch (error) {
      await this.files.close();
      throw error;
    }
  }

  async read(base: number, from: number, limit: number): Promise<Uint8Array[]> {
    if (this.cursor?.base !== base || this.cursor.least > from) {
      this.cursor = { base, least: from, frames: this.frames(base, from) };
    }
    const { cursor } = this;
    cursor.least = from;
    const found: Uint8Array[] = [];
    while (found.length < limit) {
      const { value, done } = await cursor.frames.next();
      if (done) break;
      if (value.offset !== undefined && value.offset < from) continue;
      found.push(value.bytes);
      cursor.least = (value.offset ?? from) + 1;
    }
    return found;
  }

  write(change: Change): Promise<void> {
    return this.inTurn(() => this.perform(change));
  }

  async close(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      await this.inTurn(() => this.sync());
    } finally {
      await this.files.close();
    }
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => {});
    return result;
  }

  private async perform(change: Change): Promise<void> {
    this.cursor = undefined;
    const stored = await this.files.load(MANIFEST);
    // `replace` may have failed once it was done. Who comes again with the same is its owner.
    if (!change.manifest || !sameBytes(change.manifest, stored)) mustBe(change.expected, stored);
    await this.tidy();
    if (change.cut !== undefined) await this.cut(change.cut);
    for (let index = 0; index < change.frames.length; ) index = await this.append(change.frames, index);
    if (change.durability === "strict" || change.manifest) await this.sync();
    else this.syncSoon();
    if (change.manifest) await this.files.replace(MANIFEST, change.manifest);
    // What cannot be deleted is no reason to reject what is done; the next trim tries it again.
    if (change.trim) await this.trim(change.trim.start, change.trim.base).catch(() => {});
  }

  private forget(): void {
    for (const known of [this.ends, this.unsynced, this.untidy, this.dropped]) known.clear();
    this.beginsSegment = false;
    this.cursor = undefined;
  }

  private async *frames(base: number, from: number): AsyncGenerator<Found> {
    const after = this.segments.findIndex((segment) => segment.first > from);
    const first = Math.max((after < 0 ? this.segments.length : after) - 1, 0);
    const segments = this.segments.slice(first).map((segment) => segment.name);
    for (const name of base === 0 ? segments : [baseName(base)]) yield* this.file(name).from(from);
  }

  private file(name: string): FrameFile {
    return new FrameFile(this.files, name, this.lengthOf(name));
  }

  private stretchesOf(name: string): Stretch[] {
    let stretches = this.unsynced.get(name);
    if (!stretches) this.unsynced.set(name, (stretches = []));
    return stretches;
  }

  private lengthOf(name: string): number {
    return this.lengths.get(name) ?? 0;
  }

  /** Takes away what failed writes and syncs have left. */
  private async tidy(): Promise<void> {
    for (const name of this.untidy) {
      const length = this.lengths.get(name);
      if (length === undefined) await this.files.remove(name);
      else await this.files.truncate(name, length);
      this.untidy.delete(name);
    }
    if (this.dropped.size > 0) await this.sync();
  }

  /** Appends the frames from number `index` on that go into one file; answers how far it came. */
  private async append(frames: readonly Frame[], index: number): Promise<number> {
    const { base, offset } = frames[index]!;
    let end = index + 1;
    while (end < frames.length && frames[end]!.base === base) end++;
    const name = base === 0 ? await this.segmentFor(offset) : baseName(base);
    if (base !== 0 && offset === 0) {
      this.beginsSegment = true;
      // One of that number that was given up, and could not be deleted.
      if (this.lengths.has(name)) await this.remove(name);
    }
    if ((this.ends.get(name) ?? 0) > offset) await this.cutFile(name, offset);
    const framed = frames.slice(index, end).map((frame) => frame.bytes);
    const bytes = framed.length === 1 ? framed[0]! : joined(framed);
    const at = this.lengthOf(name);
    this.untidy.add(name);
    await this.files.write(name, at, bytes);
    this.untidy.delete(name);
    this.stretchesOf(name).push({ at, bytes });
    this.lengths.set(name, at + bytes.length);
    this.ends.set(name, endOf(frames[end - 1]!));
    if (base === 0 && this.segments.at(-1)?.name !== name) {
      this.segments.push({ name, first: offset });
    }
    return end;
  }

  /** The segment to which the record at an offset is appended. */
  private async segmentFor(offset: number): Promise<string> {
    const last = this.segments.at(-1);
    if (last && !this.beginsSegment && this.lengthOf(last.name) < this.segmentLen) return last.name;
    // A power cut must not leave a gap between two segments.
    await this.sync();
    this.beginsSegment = false;
    return RECORDS + digits(offset);
  }

  /** Deletes the records from an offset on. */
  private async cut(offset: number): Promise<void> {
    while (this.segments.length > 0 && this.segments.at(-1)!.first >= offset) {
      await this.remove(this.segments.at(-1)!.name);
      this.segments.pop();
    }
    const last = this.segments.at(-1);
    if (last) await this.cutFile(last.name, offset);
  }

  private async cutFile(name: string, offset: number): Promise<void> {
    for await (const { at } of this.file(name).from(offset)) {
      await this.files.truncate(name, at);
      this.lengths.set(name, at);
      const kept = this.stretchesOf(name).filter((stretch) => stretch.at < at);
      this.unsynced.set(name, kept.map((stretch) => ({ at: stretch.at, bytes: stretch.bytes.subarray(0, at - stretch.at) })));
      break;
    }
    this.ends.delete(name);
  }

  private async trim(start: number, base: number): Promise<void> {
    for (let first; (first = this.segments[0]); this.segments.shift()) {
      const end = this.segments[1]?.first ?? this.ends.get(first.name) ?? Infinity;
      if (end > start) break;
      await this.remove(first.name);
    }
    for (const name of [...this.lengths.keys()]) {
      if (name.startsWith(BASE) && name !== baseName(base)) await this.remove(name);
    }
  }

  private async remove(name: string): Promise<void> {
    this.unsynced.delete(name);
    this.dropped.delete(name);
    try {
      await this.files.remove(name);
    } catch (error) {
      // It may be gone all the same: nothing is to be appended to it.
      this.beginsSegment = true;
      throw error;
    }
    this.lengths.delete(name);
    this.ends.delete(name);
  }

  private async sync(): Promise<void> {
    if (this.unsynced.size === 0) return;
    for (const name of this.dropped) {
      for (const { at, bytes } of this.stretchesOf(name)) await this.files.write(name, at, bytes);
    }
    try {
      await this.files.sync(this.unsynced.keys());
      this.unsynced.clear();
      this.dropped.clear();
    } catch (error) {
      for (const name of this.unsynced.keys()) this.dropped.add(name);
      throw error;
    }
  }

  /** Nobody waits for what is relaxed, but it is not to wait for ever. */
  private syncSoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      // The next write does what is to be done.
      this.inTurn(() => this.sync()).catch(() => {});
    }, SYNC_AFTER_MS);
  }
}

function baseName(base: number): string {
  return BASE + digits(base);
}

/** A number such that names sort as numbers do. */
function digits(value: number): string {
  return String(value).padStart(DIGITS, "0");
}
