import { joined } from "./bytes.js";
import { BLOCKED, type Engine } from "./engine.js";
import { ReplyError } from "./errors.js";

/** A request that may block: it runs in a session of its own. */
export interface BlockingCall {
  /** All of its replies. Rejects when the session is killed, or the engine closed. */
  readonly replies: Promise<Uint8Array<ArrayBuffer>>;
  /** Ends the blocking: the command answers the error `UNBLOCKED`, unless it has answered before. */
  cancel(): void;
  /** Ends the session; `replies` never settles if it has not yet. */
  drop(): void;
}

/** Runs requests that may block. */
export class Blocking {
  private readonly open = new Map<number, (error: Error) => void>();

  constructor(private readonly engine: Engine) {}

  /**
   * Runs the request in the writer, in the database and with the name of session `like`; as that
   * session, where it is in a transaction, in which nothing blocks.
   */
  run(like: number): BlockingCall {
    const { engine, open } = this;
    if (engine.lodis.inTransaction(like)) {
      engine.run(like);
      engine.held = false;
      const replies = Promise.resolve(engine.reader.rest());
      engine.settle();
      return { replies, cancel() {}, drop() {} };
    }
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let settle: (part: Uint8Array<ArrayBuffer>, blocked: boolean) => void = () => {};
    let session = -1;
    const replies = new Promise<Uint8Array<ArrayBuffer>>((resolve, reject) => {
      settle = (part, blocked) => {
        parts.push(part);
        if (blocked) return;
        drop();
        resolve(parts.length === 1 ? part : joined(parts));
      };
      session = engine.fork(like, (messages, over, blocked) => {
        if (!over) return settle(messages, blocked);
        drop();
        reject(new ReplyError("UNBLOCKED the session of this command was closed by CLIENT KILL"));
      });
      open.set(session, reject);
    });
    const drop = (): void => {
      if (open.delete(session)) engine.disconnect(session);
    };
    engine.run(session);
    const blocked = (engine.flags & BLOCKED) !== 0;
    settle(engine.reader.rest(), blocked);
    engine.settle();
    return {
      replies,
      cancel: () => {
        if (open.has(session)) engine.unblock(session);
      },
      drop,
    };
  }

  /** Rejects everything that still blocks. */
  close(error: Error): void {
    for (const [session, reject] of this.open) {
      this.engine.disconnect(session);
      reject(error);
    }
    this.open.clear();
  }
}
