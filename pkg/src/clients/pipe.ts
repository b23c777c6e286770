// Two ends of a connection within the process, each as a socket of `node:net`.
import { Duplex } from "node:stream";
import * as timers from "node:timers";

/** The real ones, whatever a test does to those of `globalThis` and, later, to those of the module. */
const { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = timers;
/** How many bytes may be under way in either direction, apart from what streams buffer themselves. */
const UNDER_WAY = 64 * 1024;
/** For the timer that keeps the process alive. */
const LONG_MS = 2 ** 30;

/** Told that it is done, or why not. */
type Callback = (error?: Error | null) => void;

function failure(code: "ECONNRESET" | "EPIPE", call: string): Error {
  return Object.assign(new Error(`${call} ${code}`), { code, syscall: call });
}

/** One end. What is written to it can be read from the other one. */
class End extends Duplex {
  /** `pipe`: it is in the process. */
  readonly remoteAddress: string | undefined = "pipe";
  /** The number of the connection, in this process. */
  readonly remotePort: number | undefined;
  /** The other end, once there is one. */
  protected peer: End | undefined;
  /** What is under way to the peer. */
  private readonly parts: Uint8Array[] = [];
  private size = 0;
  /** Whether the peer has yet to read what it was given. */
  private isFull = false;
  private isDue = false;
  private hasEnded = false;
  /** Lets the next part be written. */
  private more: Callback | undefined;
  /** Told when everything has been handed over, and the end of it. */
  private last: Callback | undefined;

  constructor(
    port: number,
    private readonly defer: (work: () => void) => void,
  ) {
    super({ allowHalfOpen: false });
    this.remotePort = port;
  }

  /** Joins two ends. */
  static join(one: End, other: End): void {
    one.peer = other;
    other.peer = one;
    for (const end of [one, other]) end.deliverSoon();
  }

  /** There is no delay that could be turned off. */
  setNoDelay(_noDelay?: boolean): this {
    return this;
  }

  /** Within a process, nobody has to ask whether the peer is there. */
  setKeepAlive(_enable?: boolean, _initialDelay?: number): this {
    return this;
  }

  /** @internal */
  override _read(): void {
    const { peer } = this;
    if (!peer?.isFull) return;
    peer.isFull = false;
    peer.deliverSoon();
  }

  /** @internal */
  override _write(bytes: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    if (this.peer?.destroyed) return callback(failure("EPIPE", "write"));
    this.parts.push(bytes);
    this.size += bytes.length;
    if (this.size < UNDER_WAY) callback();
    else this.more = callback;
    this.deliverSoon();
  }

  /** @internal */
  override _final(callback: Callback): void {
    this.last = callback;
    this.deliverSoon();
  }

  /** @internal */
  override _destroy(error: Error | null, callback: Callback): void {
    this.defer(() => this.leave());
    callback(error);
  }

  /** @internal */
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    // As a socket does, it says whether an error was the reason.
    return event === "close" ? super.emit(event, this.errored !== null) : super.emit(event, ...values);
  }

  private deliverSoon(): void {
    const { last, peer, size } = this;
    if (this.isDue || !peer || (!last && (this.isFull || size === 0))) return;
    this.isDue = true;
    this.defer(() => {
      this.isDue = false;
      if (this.last) this.deliverEnd();
      else if (!this.isFull) this.deliver();
    });
  }

  /** Hands over what is under way. */
  private deliver(): void {
    const { parts, peer, more } = this;
    if (!peer || this.size === 0) return;
    const bytes = parts.length === 1 ? parts[0] : Buffer.concat(parts, this.size);
    parts.length = this.size = 0;
    this.more = undefined;
    if (!peer.destroyed) {
      // The peer may read all of it while it is pushed.
      this.isFull = true;
      if (peer.push(bytes)) this.isFull = false;
    }
    more?.();
  }

  private deliverEnd(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.deliver();
    if (!this.peer?.destroyed) this.peer?.push(null);
    this.last?.();
  }

  /** This end is gone: the peer gets what it was sent, or hears that what it has sent is lost. */
  private leave(): void {
    const { peer } = this;
    this.deliverEnd();
    if (!peer || peer.destroyed) return;
    if (peer.size > 0 || peer.writableLength > 0) peer.destroy(failure("ECONNRESET", "read"));
  }
}

/** The end of the client, which is connected once the server's end is there. */
export class Connection extends End {
  /** Whether it is not connected yet. */
  connecting = true;
  /** There is none: it is no address of a network. */
  readonly remoteFamily: string | undefined = undefined;
  /** `pipe`: it is in the process. */
  readonly localAddress: string | undefined = "pipe";
  /** The number of the connection, in this process. */
  readonly localPort: number | undefined;
  /** So many bytes of replies have come. */
  bytesRead = 0;
  /** So many bytes of commands were sent. */
  bytesWritten = 0;
  /** The time of {@link setTimeout} in milliseconds, if there is one. */
  timeout: number | undefined;
  private idle: ReturnType<typeof setTimeout> | undefined;
  private alive: ReturnType<typeof setInterval> | undefined;
  private isRef = true;

  /** @internal */
  constructor(port: number) {
    // In a task of its own, as from a socket: a loop that awaits its replies leaves timers their turns.
    super(port, (work) => void setImmediate(work));
    this.localPort = port;
    this.hold();
  }

  /** As of a socket. */
  get pending(): boolean {
    return this.connecting;
  }

  /** As of a socket. */
  get readyState(): "opening" | "open" | "readOnly" | "writeOnly" | "closed" {
    if (this.connecting) return "opening";
    if (this.readable && this.writable) return "open";
    if (this.readable) return "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }

  /** @internal The server's end is there, or will be found to be gone. */
  connected(): void {
    if (this.destroyed) return;
    this.connecting = false;
    this.touch();
    this.emit("connect");
    this.emit("ready");
  }

  /** Emits `timeout` after so many milliseconds in which nothing was read or written; never with 0. */
  setTimeout(ms: number, listener?: () => void): this {
    this.timeout = ms;
    if (listener && ms === 0) this.off("timeout", listener);
    else if (listener) this.once("timeout", listener);
    this.touch();
    return this;
  }

  /** Keeps the process alive while it is open: the default. */
  ref(): this {
    this.isRef = true;
    this.hold();
    return this;
  }

  /** Lets the process end although it is open. */
  unref(): this {
    this.isRef = false;
    this.hold();
    return this;
  }

  /** Ends it, and destroys it once all that was written is on its way. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  /** The same as `destroy`. */
  resetAndDestroy(): this {
    return this.destroy();
  }

  /** Where it is connected to itself. */
  address(): {
    /** `pipe`. */
    address?: string;
    /** {@link localPort}. */
    port?: number;
  } {
    return { address: "pipe", port: this.localPort! };
  }

  /** @internal */
  override push(bytes: Uint8Array | null, encoding?: BufferEncoding): boolean {
    this.bytesRead += bytes?.length ?? 0;
    this.touch();
    return super.push(bytes, encoding);
  }

  /** @internal */
  override _write(bytes: Uint8Array, encoding: BufferEncoding, callback: Callback): void {
    this.bytesWritten += bytes.length;
    this.touch();
    super._write(bytes, encoding, callback);
  }

  /** @internal */
  override _destroy(error: Error | null, callback: Callback): void {
    this.connecting = false;
    clearTimeout(this.idle);
    clearInterval(this.alive);
    super._destroy(error, callback);
  }

  private touch(): void {
    clearTimeout(this.idle);
    if (!this.timeout || this.destroyed) return;
    this.idle = setTimeout(() => this.emit("timeout"), this.timeout);
    this.idle.unref();
  }

  private hold(): void {
    clearInterval(this.alive);
    if (this.isRef && !this.destroyed) this.alive = setInterval(() => {}, LONG_MS);
  }
}

/** The end of the server. */
export class ServerEnd extends End {
  constructor(port: number) {
    // The engine is not to hear of a client's next step before it has finished this one.
    super(port, (work) => void Promise.resolve().then(work));
  }
}

/** Connects the server's end to that of a client. */
export function join(client: Connection, server: ServerEnd): void {
  End.join(client, server);
  client.connected();
}
