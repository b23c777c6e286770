import type { ReplyReader } from "./boundary/reply.js";
import type { Engine } from "./engine.js";
import { ReplyError } from "./errors.js";

/** What is thrown where a request was postponed that cannot wait. */
export const POSTPONED = new ReplyError(
  "ERR CLIENT PAUSE postpones this command, and a synchronous call cannot wait",
);

/** A request that CLIENT PAUSE has postponed, or one after it. */
interface HeldRequest {
  readonly frame: Uint8Array<ArrayBuffer>;
  /** Reads its replies. */
  readonly read: (reader: ReplyReader) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Whether a command, with this first argument, ends a pause. */
export function isUnpause(name: string, first: unknown): boolean {
  return name === "client unpause" || (name === "client" && /^unpause$/i.test(String(first)));
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

  /** Runs them as `session`, unless the pause is not over; `done` does what a run leaves to do. */
  release(engine: Engine, session: number, done: () => Promise<void> | undefined): void {
    for (let request = this.requests[0]; request; request = this.requests[0]) {
      const { frame, read, resolve, reject } = request;
      engine.writer.load(frame);
      engine.run(session);
      if (engine.takeHeld()) return;
      this.requests.shift();
      try {
        const result = read(engine.reader);
        const stored = done();
        resolve(stored ? stored.then(() => result) : result);
      } catch (error) {
        reject(error);
        done();
      }
    }
  }

  /** Rejects all of them. */
  close(error: Error): void {
    for (const request of this.requests.splice(0)) request.reject(error);
  }
}
