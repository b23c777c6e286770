/**
 * An error that a command answered, in Redis's own words.
 *
 * @example
 * ```ts
 * import { open, ReplyError } from "lodis";
 *
 * await using redis = await open("errors");
 * await redis.set("name", "Ada");
 * const error = await redis.incr("name").catch((error: unknown) => error);
 * error instanceof ReplyError && error.code; // "ERR"
 * error instanceof ReplyError && error.message; // "ERR value is not an integer or out of range"
 * ```
 */
export class ReplyError extends Error {
  /** The first word: `ERR`, `WRONGTYPE`, `READONLY`, … */
  readonly code: string;

  /** Its message is what was answered, the code first. */
  constructor(text: string) {
    super(text);
    this.code = text.split(" ", 1)[0] ?? "";
  }

  /** The name of the class. */
  override get name(): string {
    return "ReplyError";
  }
}

/** A reply, unless it is an error: that is thrown. */
export function orThrow<T>(reply: T): Exclude<T, ReplyError> {
  if (reply instanceof ReplyError) throw reply;
  return reply as Exclude<T, ReplyError>;
}

/** What the engine answers when it has no memory, for what does not get that far. */
export const OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'.";

/** The instance was closed before the call, or before the reply came. */
export class ClosedError extends Error {
  /** `CLOSED`. */
  readonly code = "CLOSED";

  /** Its message is always the same. */
  constructor() {
    super("The connection is closed.");
  }

  /** The name of the class. */
  override get name(): string {
    return "ClosedError";
  }
}

/** It is not known what became of a request: the tab was away for too long, and the write may have been made or not. */
export class LostError extends Error {
  /** `LOST`. */
  readonly code = "LOST";

  /** Its message is always the same. */
  constructor() {
    super("It is not known what became of this request; the write may have been made.");
  }

  /** The name of the class. */
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

  /** With a message that does without the code. */
  constructor(code: FileErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  /** The name of the class. */
  override get name(): string {
    return "FileError";
  }
}

/** Why a store cannot be used, or written. */
export type StoreErrorCode =
  | "STORE_UNAVAILABLE"
  | "STORE_LOCKED"
  | "STORE_TOO_NEW"
  | "STORE_CORRUPT"
  | "STORE_FULL"
  | "STORE_FAILED"
  | "STORE_LOST"
  | "FENCED"
  | "OUTDATED";

/** What is wrong with a store. */
export class StoreError extends Error {
  /**
   * `STORE_UNAVAILABLE`: there is none, or it refuses; `STORE_LOCKED`: another context has it;
   * `STORE_TOO_NEW`: a newer version has written it; `STORE_CORRUPT`: what is in it is damaged;
   * `STORE_FULL`: there is no room for what is written; `STORE_FAILED`: it cannot be written for another
   * reason; `STORE_LOST`: what was stored is gone, and is stored again; `FENCED`: another context has
   * taken it over, `OUTDATED`: another tab runs a newer version, and this instance has ended.
   */
  readonly code: StoreErrorCode;
  /** The message without the code. */
  readonly reason: string;

  /** Its message is the code and the reason. */
  constructor(code: StoreErrorCode, reason: string) {
    super(`${code}: ${reason}`);
    this.code = code;
    this.reason = reason;
  }

  /** The name of the class. */
  override get name(): string {
    return "StoreError";
  }
}

/** The error of a store, with what helps; another error as it is. */
export function storeErrorOf(error: unknown, name: string): unknown {
  const { code, message } = error as { code: StoreErrorCode; message?: string };
  if (message === undefined || !/^(STORE_.*|FENCED|OUTDATED)$/.test(code ?? "")) return error;
  const reason = message.replace(`${code}: `, "");
  if (code !== "STORE_CORRUPT") return new StoreError(code, reason);
  const quoted = JSON.stringify(name);
  const help = `salvage(${quoted}) reads what is left, deleteStore(${quoted}) deletes it`;
  return new StoreError(code, `${reason}; ${help}`);
}

/** What the log could not write for. */
export function writeError(reason: string): StoreError {
  if (/^QuotaExceededError|\bENOSPC\b/.test(reason)) return new StoreError("STORE_FULL", reason);
  return new StoreError(reason.startsWith("VersionError") ? "STORE_TOO_NEW" : "STORE_FAILED", reason);
}
