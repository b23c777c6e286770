import { FileError, type FileErrorCode, ReplyError } from "./errors.js";
import type { FileHost, FileOptions, Imported, ImportOptions, ImportSource } from "./file-port.js";
import { nextTask } from "./task.js";

/** So much is given to the engine at a time: what its request buffer holds. */
const PIECE = 64 * 1024;
/** So much of a Blob is read at a time. */
const READ = 512 * 1024;
/** Pieces are joined when they are this long together; a browser keeps Blobs out of its heap. */
const JOIN = 4 * 1024 * 1024;
/** How long loading goes on before the page has its turn. */
const SLICE_MS = 3;
/** How often an export looks whether another snapshot is over. */
const WAIT_MS = 10;

/** Files of one instance, in and out, while commands run. */
export class Files {
  private importing: Promise<unknown> | undefined;

  /** `closing` is aborted, with the reason, when the engine is gone. */
  constructor(
    private readonly host: FileHost,
    private readonly closing: AbortSignal,
  ) {}

  /** Replaces everything by what is in an RDB file. */
  import(source: ImportSource, options: ImportOptions = {}): Promise<Imported> {
    const read = () => this.read(source, options);
    const imported = this.importing ? this.importing.then(read) : read();
    const over = imported.then(nothing, nothing).then(() => {
      if (this.importing === over) this.importing = undefined;
    });
    this.importing = over;
    return imported;
  }

  /** Everything there is when it begins, as an RDB file; `aof` if it is to be an AOF. It may have begun. */
  async export(aof: boolean, hasBegun: boolean, options?: FileOptions): Promise<Blob> {
    const parts: Blob[] = [];
    let pieces: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    await this.write(aof, hasBegun, options, (piece, done) => {
      pieces.push(piece);
      length += piece.length;
      if (length < JOIN && done < 1) return;
      parts.push(new Blob(pieces));
      pieces = [];
      length = 0;
    });
    return new Blob(parts, { type: "application/octet-stream" });
  }

  /** The same, piece by piece, with how much is done; `began` when the moment has come that it will show. */
  async write(
    aof: boolean,
    hasBegun: boolean,
    { onProgress, signal }: FileOptions = {},
    take: (piece: Uint8Array<ArrayBuffer>, done: number) => unknown,
    began?: () => void,
  ): Promise<void> {
    const { engine } = this.host;
    const { lodis } = engine;
    // What the store is being given is a snapshot as well, and so is another export. There is one at a
    // time. Now, if that is possible: this is the moment that the file will show.
    if (!hasBegun) this.check(signal);
    while (!hasBegun && !lodis.beginExport(aof, Date.now())) {
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
      this.check(signal);
    }
    try {
      if (hasBegun) this.check(signal);
      began?.();
      for (;;) {
        const done = lodis.stepExport();
        if (done < 0) throw new Error("The export was ended by something else.");
        await take(lodis.takeExport(), done);
        onProgress?.(done);
        if (done === 1) return;
        await nextTask();
        this.check(signal);
      }
    } catch (error) {
      throw typed(error);
    } finally {
      if (!this.closing.aborted) {
        lodis.endExport();
        engine.schedule(0); // what the snapshot kept is to be freed
      }
    }
  }

  private async read(source: ImportSource, options: ImportOptions): Promise<Imported> {
    const { onProgress, signal } = options;
    const { engine } = this.host;
    const { lodis } = engine;
    const signals = [this.closing, ...(signal ? [signal] : [])];
    const [size, pieces] = open(source, signals);
    const total = size ?? options.size ?? Infinity;
    this.check(signal);
    this.mustBeStorable();
    lodis.beginImport(Date.now());
    let result: Float64Array;
    try {
      let [since, read] = [performance.now(), 0];
      for await (const piece of pieces) {
        this.check(signal);
        engine.writer.load(piece);
        lodis.pushImport(engine.writer.length);
        while (lodis.stepImport()) {
          await nextTask();
          this.check(signal);
        }
        read += piece.length;
        onProgress?.(Math.min(read / total, 0.999));
        if (performance.now() - since < SLICE_MS) continue;
        await nextTask();
        since = performance.now();
      }
      this.check(signal);
      this.mustBeStorable();
      result = lodis.finishImport(Date.now());
    } catch (error) {
      throw typed(error);
    } finally {
      if (!this.closing.aborted) {
        lodis.endImport();
        engine.schedule(0); // what is not needed any more is to be freed
      }
    }
    engine.onWrite();
    await this.host.stored();
    onProgress?.(1);
    const [version, keys, expired, empty, functions] = result as unknown as Five;
    return { keys, version, skipped: { expired, empty, functions } };
  }

  private check(signal: AbortSignal | undefined): void {
    this.closing.throwIfAborted();
    signal?.throwIfAborted();
    this.host.mustHaveData();
  }

  private mustBeStorable(): void {
    const error = this.host.storeError();
    if (error) throw error;
  }
}

const nothing = (): void => {};

type Five = [number, number, number, number, number];

/** How long a source is, if it says so, and its bytes in pieces that a request buffer holds. */
function open(
  source: unknown,
  signals: readonly AbortSignal[],
): [size: number | undefined, pieces: AsyncIterable<Uint8Array>] {
  if (source instanceof Blob) return [source.size, cut(ofBlob(source))];
  if (source instanceof ArrayBuffer) return [source.byteLength, cut([new Uint8Array(source)])];
  if (ArrayBuffer.isView(source)) {
    const { buffer, byteOffset, byteLength } = source;
    return [byteLength, cut([new Uint8Array(buffer, byteOffset, byteLength)])];
  }
  if (source instanceof ReadableStream) return [undefined, cut(ofStream(source, signals))];
  throw new TypeError("importRdb: the file is a Blob, bytes or a ReadableStream of bytes");
}

async function* ofBlob(blob: Blob): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < blob.size; at += READ) {
    yield new Uint8Array(await blob.slice(at, at + READ).arrayBuffer());
  }
}

async function* ofStream(
  stream: ReadableStream<unknown>,
  signals: readonly AbortSignal[],
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  // A stream that has nothing to say must not keep anybody.
  const cancel = () => void reader.cancel().catch(() => {});
  for (const signal of signals) signal.addEventListener("abort", cancel);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (!(value instanceof Uint8Array)) {
        throw new TypeError("importRdb: the stream has something else than Uint8Arrays");
      }
      yield value;
    }
  } finally {
    for (const signal of signals) signal.removeEventListener("abort", cancel);
    cancel();
  }
}

async function* cut(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += PIECE) yield chunk.subarray(at, at + PIECE);
  }
}

/** What the engine throws has a code and is no more than an `Error`. */
function typed(error: unknown): unknown {
  const code = error instanceof Error && (error as { code?: unknown }).code;
  if (typeof code !== "string" || error instanceof ReplyError) return error;
  const { message } = error as Error;
  const isOurs = CODES.includes(code as FileErrorCode) && message.startsWith(`${code}: `);
  return isOurs ? new FileError(code as FileErrorCode, message.slice(code.length + 2)) : error;
}

const CODES: readonly FileErrorCode[] = [
  "RDB_CORRUPT",
  "RDB_TOO_NEW",
  "RDB_UNSUPPORTED",
  "OUT_OF_MEMORY",
];
