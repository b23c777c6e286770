// One connection that speaks RESP, over TCP or within the process.
import type { Duplex } from "node:stream";
import type { Durability } from "./durability.js";
import { CLOSE } from "./engine.js";
import type { Served } from "./served.js";

/** What connects a client: a socket of `node:net`, or what behaves like one. */
export interface Wire extends Duplex {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  setKeepAlive(enable: boolean, initialDelay: number): unknown;
}

/** After a reply of about this size, more requests may wait in the engine (it stops at 1 MiB). */
const REPLY_PAUSE = 1024 * 1024 - 64;
const NOTHING = new Uint8Array(0);

/** What goes to one peer, in order, and not before it is stored if that was asked for. */
class Outlet {
  private waiting: Promise<void> | undefined;
  /** Bytes that wait for the store. */
  private held = 0;

  constructor(
    private readonly socket: Wire,
    private readonly durability: Durability | undefined,
  ) {}

  /** How much the peer has yet to take; 0 while it is not worth mentioning. */
  get unsent(): number {
    const { held, socket } = this;
    return held > 0 || socket.writableNeedDrain ? held + socket.writableLength : 0;
  }

  /** Sends bytes after everything before them, and then does `work`. */
  send(bytes: Uint8Array, work: () => void): void {
    const { socket } = this;
    const now = (): void => {
      if (bytes.length > 0 && socket.writable) socket.write(bytes);
      work();
    };
    const stored = this.durability?.pending();
    if (!stored && !this.waiting) return now();
    this.held += bytes.length;
    const turn = Promise.all([this.waiting, stored]).then(() => {
      this.held -= bytes.length;
      now();
    });
    // What could not be stored is not acknowledged: what became of it, the peer is not told.
    const settled = turn.catch(() => void socket.destroy()).then(() => {
      if (this.waiting === settled) this.waiting = undefined;
    });
    this.waiting = settled;
  }
}

/** Serves one connection as a session of its own, until either side ends it. */
export function accept(
  { engine, durability, admit }: Served,
  socket: Wire,
  peer = join(socket.remoteAddress ?? "", socket.remotePort ?? 0),
): void {
  const outlet = new Outlet(socket, durability);
  // The reason of a broken connection is the peer's; `close` follows.
  socket.on("error", () => {});
  let told = 0;
  /** Tells the engine how much the peer has yet to take. */
  const tell = (): void => {
    const { unsent } = outlet;
    if (unsent !== told) engine.setUnsent(connection, (told = unsent));
  };
  const connection = engine.openConnection(peer, (messages, over) => {
    outlet.send(messages, () => {
      // Who does not take what there is would not take the end of it either.
      if (over && socket.writableNeedDrain) socket.destroy();
      else if (over) socket.end();
      tell();
    });
    tell();
    // What came after a blocking command may be answered with more than can be sent at once.
    if (messages.length > REPLY_PAUSE) queueMicrotask(() => feed(NOTHING));
  });
  if (connection < 0) {
    socket.end("-ERR max number of clients reached\r\n");
    socket.resume();
    return;
  }
  const seconds = engine.lodis.keepAlive();
  if (seconds > 0) socket.setKeepAlive(true, seconds * 1000);
  /** Whether requests wait in the engine until the peer has taken its replies. */
  let held = false;
  /** Whether what has arrived waits to be admitted. */
  let waiting = false;
  const feed = (bytes: Uint8Array): void => {
    // What arrives after QUIT or a protocol error is not looked at.
    if (socket.destroyed || socket.writableEnded) return;
    do {
      const reply = engine.receive(connection, bytes);
      const over = (engine.flags & CLOSE) !== 0;
      held = reply.length > REPLY_PAUSE;
      outlet.send(reply, () => {
        if (over) socket.end();
        tell();
      });
      engine.settle();
      if (over) return;
      bytes = NOTHING;
    } while (held && !socket.writableNeedDrain);
    if (socket.writableNeedDrain) socket.pause();
  };
  socket.on("data", (bytes: Buffer) => {
    const admitted = admit?.();
    if (!admitted) return feed(bytes);
    waiting = true;
    socket.pause();
    const go = (): void => {
      waiting = false;
      feed(bytes);
      if (!socket.writableNeedDrain) socket.resume();
    };
    admitted.then(go, () => socket.destroy());
  });
  socket.on("drain", () => {
    tell();
    if (waiting) return;
    if (held) feed(NOTHING);
    if (!socket.writableNeedDrain) socket.resume();
  });
  socket.once("close", () => engine.closeConnection(connection));
}

/** `address:port`, as Redis writes it. */
export function join(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
