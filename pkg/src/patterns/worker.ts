import { background, orInfinity, PatternError, sleep } from "./shared.js";

/** Something that is worked on. */
export interface Active {
  readonly over: AbortController;
  readonly done: Promise<void>;
}

/** It is tried again after so long, when the store could not be asked. */
export const FAULT_MS = 1000;

/** What works on one thing after the other, and on several at a time, until it is stopped. */
export abstract class PatternWorker implements AsyncDisposable {
  /** @internal */
  protected readonly active = new Map<string, Active>();
  /** @internal */
  protected cancelBeat: () => void = () => {};
  private readonly stopping = new AbortController();
  private readonly halted: Promise<void>;
  private readonly hurried: Promise<void>;
  private hurry: () => void = () => {};
  private running: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | undefined;

  /** @internal */
  constructor(
    private readonly kind: string,
    /** @internal */
    protected readonly concurrency: number,
    /** @internal */
    protected readonly onError: (error: unknown, id: string | undefined) => void,
  ) {
    this.hurried = new Promise((resolve) => (this.hurry = resolve));
    this.halted = new Promise((resolve) => this.stopping.signal.addEventListener("abort", () => resolve()));
  }

  /** How many things it works on. */
  get busy(): number {
    return this.active.size;
  }

  /**
   * Takes on nothing more, and resolves when what it has is done, or, after `timeoutMs` (Infinity), has been told
   * to end and is left to others.
   */
  stop(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const timeoutMs = orInfinity(`${this.kind}: timeoutMs`, options.timeoutMs, Infinity, 0);
    this.stopping.abort();
    this.stopped ??= this.end();
    // Also a later call may say that there is no more time.
    if (timeoutMs < Infinity) void this.stopped.finally(background(() => this.hurry(), timeoutMs));
    return this.stopped;
  }

  /** The same as {@link stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** @internal Begins; `signal` stops it. */
  protected start(signal: AbortSignal | undefined): void {
    const stop = (): void => void this.stop();
    signal?.addEventListener("abort", stop, { once: true });
    this.running = this.run().finally(() => signal?.removeEventListener("abort", stop));
    if (signal?.aborted) stop();
  }

  /** @internal Works until `signal` is aborted. It is called again after what it throws. */
  protected abstract work(signal: AbortSignal): Promise<void>;

  /** @internal Nothing is worked on any more but these: leaves them to others, and goes. */
  protected abstract leave(left: readonly string[]): Promise<void>;

  /** @internal Resolves when something is done, or it is stopped. */
  protected oneDone(): Promise<void> {
    return Promise.race([this.halted, ...this.allActive()]);
  }

  /** @internal Does what nobody waits for. */
  protected async quietly(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (codeOf(error) === "CLOSED") this.cancelBeat();
      else this.onError(error, undefined);
    }
  }

  private allActive(): Promise<void>[] {
    return [...this.active.values()].map(({ done }) => done);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await this.work(signal);
      } catch (error) {
        if (signal.aborted) break;
        this.onError(error, undefined);
        if (codeOf(error) === "CLOSED") break;
        await sleep(FAULT_MS, signal).catch(() => {});
      }
    }
  }

  private async end(): Promise<void> {
    await this.running;
    await Promise.race([this.hurried, Promise.all(this.allActive())]);
    this.cancelBeat();
    const left = [...this.active.keys()];
    for (const { over } of this.active.values()) over.abort(new PatternError("STOPPED", "the worker has to end"));
    await this.quietly(() => this.leave(left));
  }
}

/** The code of an error, if it has one. */
export function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
