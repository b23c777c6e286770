import type { Frame, Store } from "./store.js";

type Done = (error: unknown, value?: unknown, more?: unknown) => void;

const NONE = -1;

/** A {@link Store} as the log calls it: what is asked for is done in turn, and nothing throws. */
export class StoreCalls {
  /** Settles once the store is closed; rejects if that failed. */
  closed: Promise<void> = Promise.resolve();
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly store: Store) {}

  open(done: Done): void {
    const opened = this.queue(() => this.store.open());
    tell(opened, ({ manifest, last }) => done(undefined, manifest, last ?? NONE), done);
  }

  read(base: number, from: number, limit: number, done: Done): void {
    const frames = this.queue(() => this.store.read(base, from, limit));
    tell(frames, (value) => done(undefined, value), done);
  }

  write(
    expected: Uint8Array | undefined,
    strict: boolean,
    cut: number,
    flat: readonly unknown[],
    manifest: Uint8Array | undefined,
    start: number,
    base: number,
    done: Done,
  ): void {
    const frames: Frame[] = [];
    for (let index = 0; index < flat.length; index += 3) {
      const [base, offset, bytes] = flat.slice(index) as [number, number, Uint8Array];
      frames.push({ base, offset, bytes });
    }
    const written = this.queue(() =>
      this.store.write({
        expected,
        durability: strict ? "strict" : "relaxed",
        cut: cut === NONE ? undefined : cut,
        frames,
        manifest,
        trim: start === NONE ? undefined : { start, base },
      }),
    );
    tell(written, () => done(undefined), done);
  }

  close(): void {
    this.closed = this.queue(() => this.store.close());
    // Who wants to know awaits `closed`.
    this.closed.catch(() => {});
  }

  private queue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => {});
    return result;
  }
}

function tell<T>(promise: Promise<T>, resolved: (value: T) => void, done: Done): void {
  promise.then(resolved, (error: unknown) => done(error ?? new Error("the store gave no reason")));
}
