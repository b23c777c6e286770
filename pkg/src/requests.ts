import type { ReplyReader } from "./boundary/reply.js";
import { LostError } from "./errors.js";

/** A request that the leader of the tabs runs. */
interface Request {
  /** Whether it runs in a session of its own, so that nothing else waits for it. */
  readonly blocking: boolean;
  readonly signal: AbortSignal | undefined;
  readonly read: (reader: ReplyReader) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  reply?: Promise<unknown>;
}

/** What waits for the leader, by number. */
export class Requests {
  private readonly waiting = new Map<number, Request>();
  private nextSeq = 1;
  /** How many wait whose replies come in order. */
  private ordered = 0;

  /** Whether what is called now would overtake what was called before. */
  get hasOrdered(): boolean {
    return this.ordered > 0;
  }

  /** Settles once all that wait now, and whose replies come in order, are answered. */
  answered(): Promise<unknown> {
    const requests = [...this.waiting.values()].filter((request) => !request.blocking);
    return Promise.allSettled(requests.map((request) => request.reply));
  }

  /** Adds a request; `read` reads its replies. Answers its number, and what they come to. */
  add<T>(
    read: (reader: ReplyReader) => T,
    blocking: boolean,
    signal: AbortSignal | undefined,
  ): [seq: number, reply: Promise<T>] {
    const seq = this.nextSeq++;
    if (!blocking) this.ordered++;
    const reply = new Promise<T>((resolve, reject) => {
      this.waiting.set(seq, {
        blocking,
        signal,
        read: readUnlessAborted(read, signal),
        resolve: resolve as (value: unknown) => void,
        reject,
      });
    });
    this.waiting.get(seq)!.reply = reply;
    return [seq, reply];
  }

  /** The replies to a request, in `reader`. */
  reply(seq: number, reader: ReplyReader): void {
    const request = this.take(seq);
    if (!request) return;
    try {
      request.resolve(request.read(reader));
    } catch (error) {
      request.reject(error);
    }
  }

  /** Nobody knows what became of a request; one that was aborted before it was sent was not run. */
  lost(seq: number): void {
    const request = this.take(seq);
    request?.reject(request.signal?.aborted ? request.signal.reason : new LostError());
  }

  /** Rejects all of them. */
  close(error: Error): void {
    for (const request of this.waiting.values()) request.reject(error);
    this.waiting.clear();
    this.ordered = 0;
  }

  private take(seq: number): Request | undefined {
    const request = this.waiting.get(seq);
    this.waiting.delete(seq);
    if (request && !request.blocking) this.ordered--;
    return request;
  }
}

/** Calls `cancel` if `signal` is aborted before `promise` has settled. */
export async function whileNotAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  cancel: () => void,
): Promise<T> {
  if (!signal) return promise;
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** Throws the reason of an aborted `signal` in place of the error that came of it. */
export function readUnlessAborted<T>(
  read: (reader: ReplyReader) => T,
  signal: AbortSignal | undefined,
): (reader: ReplyReader) => T {
  if (!signal) return read;
  return (reader) => {
    try {
      return read(reader);
    } catch (error) {
      const unblocked = error instanceof Error && error.message.startsWith("UNBLOCKED ");
      throw unblocked && signal.aborted ? signal.reason : error;
    }
  };
}

/**
 * What `promise` comes to, or the reason of `signal` if that is aborted before; what comes nevertheless, is for
 * `undo`.
 */
export function orAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  undo: (value: T) => unknown = () => {},
): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason);
      promise.then(undo).catch(() => {});
    };
    const settled = <V>(settle: (value: V) => void) => (value: V): void => {
      signal.removeEventListener("abort", abort);
      settle(value);
    };
    promise.then(settled(resolve), settled(reject));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
  });
}
