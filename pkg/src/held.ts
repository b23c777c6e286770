import type { ReplyReader } from "./boundary/reply.js";

/** A request that CLIENT PAUSE has postponed, or one after it. */
export interface HeldRequest {
  readonly frame: Uint8Array<ArrayBuffer>;
  /** Reads its replies. */
  readonly read: (reader: ReplyReader) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What is postponed, in the order in which it was called. */
export class Held {
  private requests: HeldRequest[] = [];

  get length(): number {
    return this.requests.length;
  }

  /** Adds a request; answers what its replies come to. */
  add<T>(frame: Uint8Array<ArrayBuffer>, read: (reader: ReplyReader) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.requests.push({ frame, read, resolve: resolve as (value: unknown) => void, reject });
    });
  }

  /** Has `run` run each that waits, until one answers that the pause is not over. */
  release(run: (request: HeldRequest) => boolean): void {
    while (this.requests.length > 0 && run(this.requests[0]!)) this.requests.shift();
  }

  /** Rejects all of them. */
  close(error: Error): void {
    for (const request of this.requests.splice(0)) request.reject(error);
  }
}
