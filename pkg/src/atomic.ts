import { find, install } from "./commands.js";
import type { Commands } from "./generated/commands.js";
import type { Host } from "./host.js";
import type { Input, Reply } from "./types.js";

/** Why a callback of `atomic` was not run, or what it did was undone. */
export type AtomicErrorCode = "CONFLICT" | "NO_COPY" | "MULTI" | "PROMISE" | "INSIDE" | "ENDED";

/** What is wrong with a call of `atomic`, or inside of one. */
export class AtomicError extends Error {
  /**
   * `CONFLICT`: again and again, what the callback had read was changed before another tab could run what
   * it wrote; `NO_COPY`: another tab leads, and this one has nothing that the callback could read;
   * `MULTI`: a transaction has begun; `PROMISE`: the callback has answered a promise. Nothing has changed
   * then. `INSIDE`: the instance was called inside the callback, in place of what that is given;
   * `ENDED`: what the callback was given was called after its end.
   */
  readonly code: AtomicErrorCode;

  constructor(code: AtomicErrorCode) {
    super(`${code}: ${TEXTS[code]}`);
    this.code = code;
  }

  override get name(): string {
    return "AtomicError";
  }
}

const TEXTS: Readonly<Record<AtomicErrorCode, string>> = {
  CONFLICT: "what the callback of atomic() has read was changed by others, every time it was tried",
  NO_COPY: "another tab leads, and atomic() needs a copy of the data in this one",
  MULTI: "atomic() cannot be called between MULTI and EXEC",
  PROMISE: "the callback of atomic() has to be done when it returns: it must not be async",
  INSIDE: "inside the callback of atomic(), only what it is given can be called",
  ENDED: "the callback of atomic() has ended, and with it what it was given",
};

/** One run of a callback. */
export class Unit {
  constructor(readonly host: Host) {}

  /** Runs one command of it. */
  run(name: string, input: ArrayLike<Input>, binary: boolean): Reply {
    return this.host.callInUnit(this, find(name, input[0]), input, binary);
  }
}

/** What the callback of `atomic` is given: the commands, each answered at once. */
export interface Atomic extends Commands<"sync"> {}
export class Atomic {
  /** The same commands with bytes for text. */
  readonly bytes: AtomicBytes;

  /** @internal */
  constructor(
    /** @internal */
    readonly unit: Unit,
  ) {
    this.bytes = new AtomicBytes(unit);
  }

  /** Any command, as on the wire. */
  call(name: string, ...input: Input[]): Reply {
    return this.unit.run(name, input, false);
  }
}

/** The commands of a callback of `atomic`, with bytes for text. */
export interface AtomicBytes extends Commands<"sync bytes"> {}
export class AtomicBytes {
  /** @internal */
  constructor(
    /** @internal */
    readonly unit: Unit,
  ) {}

  /** Any command, as on the wire. */
  call(name: string, ...input: Input[]): Reply {
    return this.unit.run(name, input, true);
  }
}

for (const [surface, binary] of [[Atomic, false], [AtomicBytes, true]] as const) {
  install(
    surface.prototype,
    (command) =>
      function (this: Atomic | AtomicBytes) {
        return this.unit.host.callInUnit(this.unit, command, arguments, binary);
      },
  );
}

/** How often a callback is tried at most. */
export const TRIES = 32;
/** A try waits for up to so many milliseconds, and for up to twice as long as the one before. */
const WAIT_MS = 2;
const WAIT_MAX_MS = 64;

/** Waits before try `attempt`, for as long as chance has it: others try as well. */
export async function beforeTry(attempt: number): Promise<void> {
  if (attempt < 2) return;
  const most = Math.min(WAIT_MS * 2 ** (attempt - 2), WAIT_MAX_MS);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * most));
}

/** Throws if the callback has answered a promise. */
export function mustBeDone(value: unknown): void {
  const isPromise =
    (typeof value === "object" || typeof value === "function") &&
    value !== null &&
    typeof (value as { then?: unknown }).then === "function";
  if (!isPromise) return;
  // What goes wrong in it from now on, goes wrong for nobody.
  Promise.resolve(value).catch(() => {});
  throw new AtomicError("PROMISE");
}
