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
