import type { Lodis, Log } from "./boundary/wasm.js";
import { ReplyError } from "./errors.js";

/**
 * Whether what was written is stored. `memory`: there is no store. `elsewhere`: another tab owns
 * the data and stores it.
 */
export type Persistence =
  | {
      /** `saved`: all of it; `pending`: not all of it yet. */
      readonly state: "saved" | "pending" | "memory" | "elsewhere";
    }
  | {
      /** The store cannot be written; it is tried again. */
      readonly state: "failed";
      /** What the store has said. */
      readonly reason: string;
    };

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Follows a log: what is stored, and who waits for it (`appendfsync always`). */
export class Durability {
  state: Persistence;
  private waiters: Waiter[] = [];

  constructor(
    private readonly lodis: Lodis,
    readonly log: Log,
    private readonly onChange: (state: Persistence) => void,
  ) {
    this.state = this.now();
  }

  /** The effect stream advanced. */
  written(): void {
    this.log.written(Date.now());
    this.changed();
  }

  /** More was written, or stored. */
  changed(): void {
    this.set(this.now());
  }

  /** A promise for everything written so far, if it has to be waited for. */
  pending(): Promise<void> | undefined {
    if (!this.log.waitsForStore()) return undefined;
    const offset = this.lodis.offset();
    if (this.log.durableOffset() >= offset) return undefined;
    const refusal = this.refusal();
    if (refusal) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      this.waiters.push({ offset, resolve, reject });
    });
  }

  /** Why writes are refused, while they are. */
  refusal(): ReplyError | undefined {
    const reason = this.log.error();
    return reason === undefined ? undefined : misconf(reason);
  }

  /** Resolves once everything up to now is on the disk. */
  async flushed(): Promise<void> {
    try {
      await this.log.flush();
    } catch (error) {
      throw this.refusal() ?? error;
    }
  }

  /** The log has stored more. */
  durable(): void {
    const stored = this.log.durableOffset();
    const done = this.waiters.filter((waiter) => waiter.offset <= stored);
    this.waiters = this.waiters.filter((waiter) => waiter.offset > stored);
    for (const waiter of done) waiter.resolve();
    this.changed();
  }

  /** The log could not store. */
  failed(reason: string): void {
    this.reject(misconf(reason));
    this.set({ state: "failed", reason });
  }

  /** Nothing more will be stored. */
  reject(error: Error): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }

  private now(): Persistence {
    const reason = this.log.error();
    if (reason !== undefined) return { state: "failed", reason };
    return { state: this.log.isSaved() ? "saved" : "pending" };
  }

  private set(state: Persistence): void {
    const before = this.state;
    if (before.state === state.state && reasonOf(before) === reasonOf(state)) return;
    this.state = state;
    this.onChange(state);
  }
}

function reasonOf(state: Persistence): string | undefined {
  return state.state === "failed" ? state.reason : undefined;
}

function misconf(reason: string): ReplyError {
  return new ReplyError(`MISCONF Errors writing to the AOF file: ${reason}`);
}
