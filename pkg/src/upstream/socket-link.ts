// Upstream over a WebSocket, through `npx lodis bridge`.
import { type Entry, type Link, type Listener, type Refusal, serverError, UpstreamError, type Value } from "./link.js";
import { decode, encode, type Received, textOf, type Wire } from "./wire.js";

/** What is used of a WebSocket. */
export interface SocketLike {
  /** Set to `arraybuffer`. */
  binaryType: string;
  /** 0 while it connects, 1 once it is open. */
  readonly readyState: number;
  /** Called once it is open. */
  onopen: ((event: never) => void) | null;
  /** Called with each message. */
  onmessage: ((event: never) => void) | null;
  /** Called once it has ended, with a code and a reason. */
  onclose: ((event: never) => void) | null;
  /** Called if it cannot be opened, or breaks. */
  onerror: ((event: never) => void) | null;
  /** Sends a message of bytes. */
  send(data: Uint8Array<ArrayBuffer>): void;
  /** Ends it. */
  close(code?: number): void;
}

/** Where the bridge is, and what for. */
export interface BridgeTarget {
  readonly url: string;
  readonly token: string;
  readonly prefix: Uint8Array;
  readonly timeoutMs: number;
  readonly WebSocket: new (url: string) => SocketLike;
}

/** How often the bridge is asked whether it is there, in milliseconds: a broken line may say nothing. */
const PING_MS = 15_000;

/** Connects to a bridge, and says who it is. */
export async function socketLink(target: BridgeTarget, listener: Listener): Promise<Link> {
  const link = new SocketLink(target, listener);
  try {
    await link.ready;
    await link.ask(["hello", target.token, target.prefix]);
  } catch (error) {
    link.close();
    throw error;
  }
  link.begin();
  return link;
}

interface Asked {
  resolve(value: Received): void;
  reject(error: UpstreamError): void;
  readonly timer: ReturnType<typeof setTimeout>;
}

class SocketLink implements Link {
  readonly isTold = true;
  readonly ready: Promise<void>;
  private readonly socket: SocketLike;
  private readonly asked = new Map<number, Asked>();
  private next = 1;
  private isOver = false;
  private isQuiet = true;
  private ping: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly target: BridgeTarget,
    private readonly listener: Listener,
  ) {
    const socket = (this.socket = new target.WebSocket(target.url));
    socket.binaryType = "arraybuffer";
    this.ready = new Promise((resolve, reject) => {
      const late = () => this.end(new UpstreamError("TIMEOUT", "the bridge does not answer"));
      const timer = setTimeout(late, target.timeoutMs);
      this.asked.set(0, { resolve: () => resolve(), reject, timer });
      socket.onopen = () => this.settle(0, (asked) => asked.resolve(null));
    });
    socket.onmessage = ({ data }: { data: unknown }) => this.heard(data);
    socket.onerror = () => this.end(new UpstreamError("NETWORK", "the bridge cannot be reached"));
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this.end(new UpstreamError("NETWORK", `the connection to the bridge has ended (${code} ${reason})`.trim()));
    };
  }

  /** From now on, its end is told. */
  begin(): void {
    this.isQuiet = false;
    this.ping = setInterval(() => this.ask(["ping"]).catch(() => {}), PING_MS);
    (this.ping as { unref?(): void }).unref?.();
  }

  async apply(client: string, entries: readonly Entry[]): Promise<Refusal[]> {
    const told = await this.ask(["apply", client, entries.map(({ id, commands }) => [id, commands])]);
    return (told as readonly Received[][]).map(([id, index, text]) => {
      return { id: textOf(id), index: Number(index), text: textOf(text) };
    });
  }

  async read(keys: readonly Uint8Array[], known: readonly string[]): Promise<Value[]> {
    const told = (await this.ask(["read", keys, known])) as readonly Received[][];
    return told.map(([payload, digest, at]) => {
      return { payload: payload as Uint8Array, digest: textOf(digest), expiresAt: Number(at) };
    });
  }

  async scan(cursor: string | null): Promise<{ keys: Uint8Array[]; cursor: string | null }> {
    const [next, keys] = (await this.ask(["scan", cursor])) as [Received, Uint8Array[]];
    return { cursor: next === null ? null : textOf(next), keys };
  }

  /** Asks the bridge for something. */
  ask(words: readonly Wire[]): Promise<Received> {
    if (this.isOver) return Promise.reject(new UpstreamError("NETWORK", "the connection has ended"));
    const number = this.next++;
    return new Promise((resolve, reject) => {
      const late = () => this.end(new UpstreamError("TIMEOUT", "the bridge does not answer"));
      this.asked.set(number, { resolve, reject, timer: setTimeout(late, this.target.timeoutMs) });
      this.socket.send(encode([number, ...words]));
    });
  }

  private heard(data: unknown): void {
    let message: readonly Received[];
    try {
      const decoded = decode(new Uint8Array(data as ArrayBuffer));
      if (!Array.isArray(decoded)) throw new TypeError("not an answer");
      message = decoded;
    } catch (error) {
      return this.end(new UpstreamError("PROTOCOL", (error as Error).message));
    }
    const [number, kind, value] = message;
    if (number === 0) return this.listener.changed(value as readonly Uint8Array[] | null);
    const text = (): string => textOf(value);
    if (kind === 0) this.settle(Number(number), (asked) => asked.resolve(value ?? null));
    else this.settle(Number(number), (asked) => asked.reject(serverError(text())));
  }

  private settle(number: number, how: (asked: Asked) => void): void {
    const asked = this.asked.get(number);
    if (!asked) return;
    this.asked.delete(number);
    clearTimeout(asked.timer);
    how(asked);
  }

  private end(error: UpstreamError): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const number of [...this.asked.keys()]) this.settle(number, (asked) => asked.reject(error));
    this.close();
    if (!this.isQuiet) this.listener.lost(error);
  }

  close(): void {
    this.isOver = true;
    clearInterval(this.ping);
    this.socket.onmessage = this.socket.onclose = this.socket.onopen = null;
    // One that never opens says so, to nobody.
    this.socket.onerror = () => {};
    this.socket.close();
    for (const number of [...this.asked.keys()]) {
      this.settle(number, (asked) => asked.reject(new UpstreamError("NETWORK", "the connection was closed")));
    }
  }
}
