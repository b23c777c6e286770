import type { Engine } from "./engine.js";
import type { Files } from "./files.js";

/** How a file is written. */
export interface FileOptions {
  /** Called now and then with how much is done, from 0 to 1. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** When it is aborted, the promise is rejected with its reason, and nothing is left behind. */
  readonly signal?: AbortSignal | undefined;
}

/** How a file is loaded. */
export interface ImportOptions extends FileOptions {
  /** How many bytes a stream has, so that `onProgress` can tell how much is done. */
  readonly size?: number | undefined;
}

/** Where a file comes from; a `File` of the page is a `Blob`. */
export type ImportSource = Blob | ArrayBuffer | ArrayBufferView | ReadableStream<Uint8Array>;

/** What was loaded. */
export interface Imported {
  /** How many keys there are now. */
  readonly keys: number;
  /** The version of the file's format. */
  readonly version: number;
  /** What is in the file and not here. */
  readonly skipped: {
    /** Keys whose time had come. */
    readonly expired: number;
    /** Keys that held collections of nothing. */
    readonly empty: number;
    /** Libraries of functions that have no name. Others are there, for instances that have scripting. */
    readonly functions: number;
  };
}

/** What files need of their host. */
export interface FileHost {
  readonly engine: Engine;
  /** Throws unless the data is here. */
  mustHaveData(): void;
  /** Why nothing can be stored, while that is so. */
  storeError(): Error | undefined;
  /** Resolves once everything is stored that is to be. */
  stored(): Promise<void>;
}

/** The files of one instance. What reads and writes them comes with the first: most pages have none. */
export class FilePort {
  private files: Promise<Files> | undefined;
  private readonly closing = new AbortController();

  constructor(private readonly host: FileHost) {}

  /** Replaces everything by what is in an RDB file. */
  async import(source: ImportSource, options?: ImportOptions): Promise<Imported> {
    return (await this.load()).import(source, options);
  }

  /** Everything there is now, as an RDB file; `aof` if it is to be an AOF. */
  async export(aof: boolean, options?: FileOptions): Promise<Blob> {
    const { lodis } = this.host.engine;
    options?.signal?.throwIfAborted();
    this.host.mustHaveData();
    // This is the moment that the file shows, unless another snapshot is under way.
    const hasBegun = lodis.beginExport(aof, Date.now());
    const files = await this.load().catch((error: unknown) => {
      if (hasBegun && !this.closing.signal.aborted) lodis.endExport();
      throw error;
    });
    return files.export(aof, hasBegun, options);
  }

  /** Ends what is under way, for this reason. */
  close(error: Error): void {
    this.closing.abort(error);
  }

  private load(): Promise<Files> {
    this.files ??= import("./files.js").then(({ Files }) => new Files(this.host, this.closing.signal));
    // What could not be loaded may be loaded next time.
    this.files.catch(() => (this.files = undefined));
    return this.files;
  }
}
