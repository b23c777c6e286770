import type { ReplyReader } from "./boundary/reply.js";
import { type Command, flatten, plain } from "./commands.js";
import type { Engine } from "./engine.js";
import { orThrow, ReplyError } from "./errors.js";
import type { Fetched, FetchingHost } from "./fetched.js";
import { orAborted } from "./requests.js";
import type { Input, Reply } from "./types.js";

/** Why a callback of `atomic` was not run, or what it did was undone. */
export type AtomicErrorCode = "CONFLICT" | "NO_COPY" | "MULTI" | "PROMISE" | "INSIDE" | "ENDED";

/** What is wrong with a call of `atomic`, or inside of one. */
export class AtomicError extends Error {
  /**
   * `CONFLICT`: again and again, what the callback had read was changed before another tab could run what
   * it wrote; `NO_COPY`: another tab leads, this one has no copy, and the callback has looked at all keys;
   * `MULTI`: a transaction has begun; `PROMISE`: the callback has answered a promise. Nothing has changed
   * then. `INSIDE`: the instance was called inside the callback, in place of what that is given;
   * `ENDED`: what the callback was given was called after its end.
   */
  readonly code: AtomicErrorCode;

  /** Its message is the code and what it means. */
  constructor(code: AtomicErrorCode) {
    super(`${code}: ${TEXTS[code]}`);
    this.code = code;
  }

  /** The name of the class. */
  override get name(): string {
    return "AtomicError";
  }
}

const TEXTS: Readonly<Record<AtomicErrorCode, string>> = {
  CONFLICT: "what the callback of atomic() has read was changed by others, every time it was tried",
  NO_COPY: "another tab leads, and for a callback of atomic() that looks at all keys this one needs a copy of them",
  MULTI: "atomic() cannot be called between MULTI and EXEC",
  PROMISE: "the callback of atomic() has to be done when it returns: it must not be async",
  INSIDE: "inside the callback of atomic(), only what it is given can be called",
  ENDED: "the callback of atomic() has ended, and with it what it was given",
};

/** How often a callback is tried at most. */
const TRIES = 32;
/** A try waits for up to so many milliseconds, and for up to twice as long as the one before. */
const WAIT_MS = 2;
const WAIT_MAX_MS = 64;

/** Where a unit is run. */
interface Place {
  readonly engine: Engine;
  readonly session: number;
  /** Called before a command is run. */
  readonly before?: (command: Command, inputs: ArrayLike<Input>) => void;
}

/** What units need of their host, whose `session` is that of what is run here. */
export interface UnitHost extends Place, FetchingHost {
  /** Whether the session at the leader is between MULTI and EXEC. */
  readonly inTransaction: boolean;
  /** Whether there is something here that a callback can read, or there will be once the leader is asked. */
  readonly copy: "here" | "coming" | "none";
  /** Throws if nothing can be called. */
  mustBeOpen(): void;
  /** Whether what is called now is run here, and stays. */
  runsHere(): boolean;
  /** Settles once what was called before is answered. */
  answered(): Promise<unknown>;
  /** Does what a run leaves to do. */
  ran(): void;
  /** Has the leader run the request in the writer. */
  forward<T>(read: (reader: ReplyReader) => T): Promise<T>;
  /** Asks the leader something; the reply is given out once there is a copy to read. */
  ask(): Promise<unknown>;
  /** What the last run came to, once it may be told. */
  acknowledged<T>(result: T): Promise<T>;
}

/** One run of a callback. */
export class Unit {
  /** @internal */
  constructor(private readonly units: Units) {}

  /** Runs one command of it. The error that it answers is thrown. */
  run(command: Command, inputs: ArrayLike<Input>, binary: boolean): Reply {
    return this.units.call(this, command, inputs, binary);
  }
}

/** Runs callbacks as units: all of what they call, or nothing. */
export class Units {
  /** The unit that is being run. */
  private current: Unit | undefined;
  /** Where it is. */
  private place: Place;

  constructor(private readonly host: UnitHost) {
    this.place = host;
  }

  /** Throws if a unit is being run. */
  mustBeOutside(): void {
    if (this.current) throw new AtomicError("INSIDE");
  }

  /** Runs one command of a unit. */
  call(unit: Unit, command: Command, inputs: ArrayLike<Input>, binary: boolean): Reply {
    if (this.current !== unit) throw new AtomicError("ENDED");
    const { engine, session } = this.place;
    this.place.before?.(command, inputs);
    engine.write(command, inputs, true);
    return orThrow(engine.runOne(session, binary));
  }

  /**
   * Runs all that `body` runs as one unit, or nothing if it throws: here, or here as a trial and then by
   * the tab that leads, which may have to be repeated, until `signal` is aborted.
   */
  run<T>(body: (unit: Unit) => T, signal?: AbortSignal): Promise<T> {
    const { host } = this;
    try {
      signal?.throwIfAborted();
      host.mustBeOpen();
      if (!host.runsHere()) return this.runElsewhere(body, signal);
      const [value] = this.attempt(body, false);
      return host.acknowledged(value);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private async runElsewhere<T>(body: (unit: Unit) => T, signal: AbortSignal | undefined): Promise<T> {
    const { host } = this;
    // What was called before is to be there to be read.
    await orAborted(host.answered(), signal);
    let fetched: Fetched | undefined;
    try {
      for (let attempt = 1; attempt <= TRIES; attempt++) {
        await orAborted(beforeTry(attempt), signal);
        host.mustBeOpen();
        if (host.runsHere()) return await this.run(body, signal);
        if (host.inTransaction) throw new AtomicError("MULTI");
        if (host.copy === "coming") {
          await orAborted(host.ask(), signal);
          continue;
        }
        if (host.copy === "none") fetched ??= new (await import("./fetched.js")).Fetched(host, plain, flatten);
        const tried = host.copy === "none" ? await this.tryFetched(body, fetched!, signal) : this.attempt(body, true);
        if (!tried) continue;
        if (tried === "all") throw new AtomicError("NO_COPY");
        const [value, frame] = tried;
        if (frame.length === 0) return value;
        host.engine.writer.load(frame);
        const reply = await host.forward((reader) => reader.next(false));
        if (!(reply instanceof ReplyError)) return value;
        if (reply.code !== "ATOMIC") throw reply;
      }
      throw new AtomicError("CONFLICT");
    } finally {
      fetched?.close();
    }
  }

  /** Tries `body` on what is fetched for it; undefined if that is not what has to be done any more. */
  private tryFetched<T>(
    body: (unit: Unit) => T,
    fetched: Fetched,
    signal: AbortSignal | undefined,
  ): Promise<[T, Uint8Array] | "all" | undefined> {
    const { host } = this;
    const isOver = (): boolean => {
      signal?.throwIfAborted();
      host.mustBeOpen();
      return host.copy !== "none" || host.runsHere() || host.inTransaction;
    };
    const done = (unit: Unit): T => {
      const value = body(unit);
      mustBeDone(value);
      return value;
    };
    return fetched.try(done, (body, place) => this.attempt(body, true, place), isOver);
  }

  /** Runs `body`, to be kept or tried; answers what it has answered, and what a trial comes to. */
  private attempt<T>(body: (unit: Unit) => T, trial: boolean, place: Place = this.host): [T, Uint8Array] {
    const { engine, session } = (this.place = place);
    if (!engine.beginAtomic(session, trial)) throw new AtomicError("MULTI");
    const unit = (this.current = new Unit(this));
    let isKept = false;
    let value: T;
    try {
      value = body(unit);
      mustBeDone(value);
      this.current = undefined;
      this.host.mustBeOpen();
      isKept = true;
    } finally {
      this.current = undefined;
      if (!isKept) this.end(false);
    }
    return [value, this.end(true)];
  }

  private end(kept: boolean): Uint8Array {
    const { engine, session } = this.place;
    const frame = engine.endAtomic(session, kept);
    if (this.place === this.host) this.host.ran();
    return frame;
  }
}

/** Waits before try `attempt`, for as long as chance has it: others try as well. */
async function beforeTry(attempt: number): Promise<void> {
  if (attempt < 2) return;
  const most = Math.min(WAIT_MS * 2 ** (attempt - 2), WAIT_MAX_MS);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * most));
}

/** Throws if the callback has answered a promise. */
function mustBeDone(value: unknown): void {
  const isPromise =
    (typeof value === "object" || typeof value === "function") &&
    value !== null &&
    typeof (value as { then?: unknown }).then === "function";
  if (!isPromise) return;
  // What goes wrong in it from now on, goes wrong for nobody.
  Promise.resolve(value).catch(() => {});
  throw new AtomicError("PROMISE");
}
