/** An error that a command answered, in Redis's own words. */
export class ReplyError extends Error {
  /** The first word: `ERR`, `WRONGTYPE`, `READONLY`, … */
  readonly code: string;

  constructor(text: string) {
    super(text);
    this.code = text.split(" ", 1)[0] ?? "";
  }

  override get name(): string {
    return "ReplyError";
  }
}

/** The instance was closed before the call, or before the reply came. */
export class ClosedError extends Error {
  readonly code = "CLOSED";

  constructor() {
    super("The connection is closed.");
  }

  override get name(): string {
    return "ClosedError";
  }
}

/** The tab that owned the data went away before it answered: the write may have been made or not. */
export class LostError extends Error {
  readonly code = "LOST";

  constructor() {
    super("The tab that owns the data went away before it answered; the write may have been made.");
  }

  override get name(): string {
    return "LostError";
  }
}

/** Why a file is not loaded. */
export type FileErrorCode = "RDB_CORRUPT" | "RDB_TOO_NEW" | "RDB_UNSUPPORTED" | "OUT_OF_MEMORY";

/** A file could not be loaded, and nothing has changed. */
export class FileError extends Error {
  /**
   * `RDB_CORRUPT`: it is no RDB file, or damaged, or not whole; `RDB_TOO_NEW`: it is of a version that
   * is not known; `RDB_UNSUPPORTED`: it has data of a module, or more databases than there are;
   * `OUT_OF_MEMORY`: there is not enough memory for it, or `maxmemory` does not allow it.
   */
  readonly code: FileErrorCode;

  constructor(code: FileErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  override get name(): string {
    return "FileError";
  }
}
